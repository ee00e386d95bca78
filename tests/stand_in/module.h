// Kernels by name, and what PTX says of them.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include "emulator.h"

// All kernels that were compiled into the stand-in.
inline std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

// An entry of PTX.
struct Entry {
    std::vector<size_t> sizes;
    // Threads of a block at most.
    unsigned most_threads = 1024;
};

// What a module's text says.
struct Module {
    // 10 * major + minor.
    int version = 0;
    int target = 0;
    std::map<std::string, Entry> entries;
};

// The number that begins here.
inline unsigned number_at(const char* text) {
    return (unsigned)strtoul(text, nullptr, 10);
}

// What follows a text in a line; null where it is not there.
inline const char* after(const std::string& line, const char* text) {
    const char* found = strstr(line.c_str(), text);
    return found ? found + strlen(text) : nullptr;
}

// Bytes of a parameter: `.param .u64 name` or `.param .align 4 .b8 name[24]`.
inline size_t bytes_of(const std::string& parameter) {
    if (const char* count = after(parameter, "[")) {
        return number_at(count);
    }
    constexpr size_t BITS = 8;
    const char* type = after(parameter, ".param .");
    return type ? number_at(type + 1) / BITS : 0;
}

inline Module parse(const char* text) {
    Module module;
    std::istringstream lines(text);
    std::string line;
    Entry* entry = nullptr;
    while (std::getline(lines, line)) {
        if (const char* name = after(line, ".visible .entry ")) {
            entry = &module.entries[std::string(name, strcspn(name, "("))];
        } else if (const char* version = after(line, ".version ")) {
            module.version = number_at(version) * 10 + number_at(strchr(version, '.') + 1);
        } else if (const char* target = after(line, ".target sm_")) {
            module.target = number_at(target);
        } else if (line == "{") {
            entry = nullptr;
        } else if (entry && line.find(".param") != std::string::npos) {
            entry->sizes.push_back(bytes_of(line));
        } else if (const char* sizes = entry ? after(line, ".maxntid ") : nullptr) {
            const char* y = strchr(sizes, ',') + 1;
            const char* z = strchr(y, ',') + 1;
            entry->most_threads = number_at(sizes) * number_at(y) * number_at(z);
        }
    }
    return module;
}
