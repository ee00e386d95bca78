// All that a stand-in for a driver knows: memory, streams, events, graphs, modules, and what is to fail.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "emulator.h"
#include "module.h"
#include "queue.h"

namespace {

enum Code {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
    STREAM_CAPTURE_UNJOINED = 904,
};

std::string text_of(const char* name, const char* otherwise) {
    const char* set = getenv(name);
    return set ? set : otherwise;
}

long number_of(const char* name, long otherwise) {
    const char* set = getenv(name);
    return set ? atol(set) : otherwise;
}

// 10 * major + minor.
int capability() {
    const std::string text = text_of("STAND_IN_CAPABILITY", "9.0");
    return atoi(text.c_str()) * 10 + atoi(text.substr(text.find('.') + 1).c_str());
}

// Work that was recorded, each piece after some of those before it.
struct Recorded {
    std::function<void()> run;
    std::set<size_t> after;
};

struct Graph {
    std::vector<Recorded> work;
    // Streams that take part, and the last piece of each.
    std::map<void*, size_t> last;
    bool is_invalid = false;
};

struct Stream {
    Ticket last;
    std::shared_ptr<Graph> recording;
    // What the next piece of work waits for beside the last one.
    std::set<size_t> waits;
};

struct Event {
    Ticket marked;
    std::shared_ptr<Graph> recording;
    size_t piece = 0;
};

struct Function {
    const Kernel* kernel;
    unsigned most_threads;
};

struct LoadedModule {
    Module text;
    std::map<std::string, Function> functions;
};

constexpr size_t NONE = SIZE_MAX;
// Fresh memory is filled with a NaN that nothing computes, up to here: more would take seconds.
constexpr size_t MOST_POISON = 64 << 20;
constexpr uint32_t POISON = 0x7fc0dead;

// All that there is, while the process lives.
struct Driver {
    Queue queue{(int)number_of("STAND_IN_ORDER", 0)};
    bool is_started = false;
    int sticky = SUCCESS;
    int contexts = 0;
    std::map<uintptr_t, size_t> device_memory;
    std::map<uintptr_t, size_t> host_memory;
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<std::shared_ptr<Graph>*> graphs;
    std::set<std::shared_ptr<Graph>*> executables;
    std::set<LoadedModule*> modules;
    std::map<std::string, long> calls;
    int context = 0;

    ~Driver() {
        const char* file = getenv("STAND_IN_CALLS");
        FILE* out = file ? fopen(file, "w") : nullptr;
        if (!out) {
            return;
        }
        for (const auto& [name, count] : calls) {
            fprintf(out, "%s %ld\n", name.c_str(), count);
        }
        const std::pair<const char*, size_t> left[] = {
            {"device memory", device_memory.size()},
            {"host memory", host_memory.size()},
            {"streams", streams.size()},
            {"events", events.size()},
            {"graphs", graphs.size()},
            {"executable graphs", executables.size()},
            {"modules", modules.size()},
            {"contexts", (size_t)contexts},
        };
        for (const auto& [what, count] : left) {
            if (count != 0) {
                fprintf(out, "leak: %zu %s\n", count, what);
            }
        }
        fclose(out);
    }

    // Counts a call; what it fails with, if it is to fail.
    int enter(const char* name) {
        const long number = ++calls[name];
        static const std::string fail = text_of("STAND_IN_FAIL", "");
        const std::string here = std::string(name) + ":" + std::to_string(number) + ":";
        if (fail.compare(0, here.size(), here) == 0) {
            const int code = atoi(fail.c_str() + here.size());
            if (code >= ILLEGAL_ADDRESS && code < 800) {
                sticky = code;
            }
            return code;
        }
        return sticky;
    }

    bool is_recording() const {
        for (const Stream* stream : streams) {
            if (stream->recording) {
                return true;
            }
        }
        return false;
    }

    // For calls that a recording forbids.
    int forbid_while_recording() {
        int code = SUCCESS;
        for (Stream* stream : streams) {
            if (stream->recording) {
                stream->recording->is_invalid = true;
                code = STREAM_CAPTURE_UNSUPPORTED;
            }
        }
        return code;
    }

    size_t used() const {
        size_t bytes = 0;
        for (const auto& [address, size] : device_memory) {
            bytes += size;
        }
        return bytes;
    }

    static bool holds(const std::map<uintptr_t, size_t>& memory, const void* from, size_t bytes) {
        const auto address = (uintptr_t)from;
        auto found = memory.upper_bound(address);
        if (found == memory.begin()) {
            return false;
        }
        --found;
        return address + bytes <= found->first + found->second;
    }

    // Puts work into a stream, or records it.
    void put(Stream* stream, std::function<void()> run) {
        if (!stream->recording) {
            stream->last = queue.add(std::move(run), {stream->last});
            return;
        }
        Graph& graph = *stream->recording;
        Recorded piece{std::move(run), std::move(stream->waits)};
        stream->waits.clear();
        const auto last = graph.last.find(stream);
        if (last != graph.last.end() && last->second != NONE) {
            piece.after.insert(last->second);
        }
        graph.work.push_back(std::move(piece));
        graph.last[stream] = graph.work.size() - 1;
    }
};

Driver& driver() {
    static Driver driver;
    return driver;
}

void* fresh(size_t bytes) {
    void* memory = mmap(
        nullptr, std::max<size_t>(bytes, 1), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    auto* words = (uint32_t*)memory;
    std::fill(words, words + std::min(bytes, MOST_POISON) / sizeof *words, POISON);
    return memory;
}

}  // namespace
