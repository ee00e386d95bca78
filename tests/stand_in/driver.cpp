// A driver of CUDA that computes on the CPU, for the tests: what goldrun asks of `libcuda.so.1`, and no more.
//
// Environment:
//   STAND_IN_ORDER       0, 1, 2: order of threads, blocks and of the work of streams (queue.h, emulator.cpp)
//   STAND_IN_MEMORY      bytes of the device (8 GiB)
//   STAND_IN_CAPABILITY  such as 7.5 (9.0)
//   STAND_IN_VERSION     newest CUDA that it knows, such as 11080 (13000)
//   STAND_IN_DEVICES     number of devices (1)
//   STAND_IN_FAIL        NAME:N:CODE: the N-th call of a function, from 1, fails with that code
//   STAND_IN_CALLS       file that gets at the end how often each function was called, and what was never freed
#include "state.h"

namespace {

// A driver may be called by any thread.
std::recursive_mutex& one_at_a_time() {
    static std::recursive_mutex mutex;
    return mutex;
}

// A function of the driver: what it fails with if it is to fail, else its body.
#define DRIVER_CALL(NAME, ...) \
    extern "C" int NAME(__VA_ARGS__) { \
        const std::lock_guard<std::recursive_mutex> lock(one_at_a_time()); \
        const int failed = driver().enter(#NAME); \
        if (failed != SUCCESS) { \
            return failed; \
        }

#define END }

#define REQUIRE(CONDITION, CODE) \
    if (!(CONDITION)) { \
        return CODE; \
    }

}  // namespace

void emu_register(const Kernel& kernel) {
    kernels()[kernel.name] = kernel;
}

DRIVER_CALL(cuDriverGetVersion, int* version)
    *version = (int)number_of("STAND_IN_VERSION", 13000);
    return SUCCESS;
END

DRIVER_CALL(cuInit, unsigned)
    REQUIRE(number_of("STAND_IN_DEVICES", 1) > 0, NO_DEVICE);
    driver().is_started = true;
    return SUCCESS;
END

DRIVER_CALL(cuDeviceGetCount, int* count)
    REQUIRE(driver().is_started, NOT_INITIALIZED);
    *count = (int)number_of("STAND_IN_DEVICES", 1);
    return SUCCESS;
END

DRIVER_CALL(cuDeviceGet, int* device, int ordinal)
    REQUIRE(driver().is_started, NOT_INITIALIZED);
    REQUIRE(ordinal >= 0 && ordinal < number_of("STAND_IN_DEVICES", 1), INVALID_DEVICE);
    *device = ordinal;
    return SUCCESS;
END

DRIVER_CALL(cuDeviceGetName, char* name, int len, int)
    snprintf(name, len, "Stand-in %s", text_of("STAND_IN_CAPABILITY", "9.0").c_str());
    return SUCCESS;
END

DRIVER_CALL(cuDeviceGetAttribute, int* value, int attribute, int)
    constexpr int KILOHERTZ = 13;
    constexpr int MULTIPROCESSORS = 16;
    constexpr int MAJOR = 75;
    constexpr int MINOR = 76;
    switch (attribute) {
        case KILOHERTZ:
            *value = 1000000;
            return SUCCESS;
        case MULTIPROCESSORS:
            *value = 1;
            return SUCCESS;
        case MAJOR:
            *value = capability() / 10;
            return SUCCESS;
        case MINOR:
            *value = capability() % 10;
            return SUCCESS;
        default:
            return INVALID_VALUE;
    }
END

DRIVER_CALL(cuDeviceTotalMem_v2, size_t* bytes, int)
    *bytes = number_of("STAND_IN_MEMORY", 8L << 30);
    return SUCCESS;
END

DRIVER_CALL(cuDevicePrimaryCtxRetain, void** context, int)
    ++driver().contexts;
    *context = &driver().context;
    return SUCCESS;
END

DRIVER_CALL(cuDevicePrimaryCtxRelease_v2, int)
    REQUIRE(driver().contexts > 0, INVALID_CONTEXT);
    --driver().contexts;
    return SUCCESS;
END

DRIVER_CALL(cuCtxSetCurrent, void* context)
    REQUIRE(context == &driver().context, INVALID_CONTEXT);
    return SUCCESS;
END

DRIVER_CALL(cuCtxGetStreamPriorityRange, int* least, int* greatest)
    *least = 0;
    *greatest = -5;
    return SUCCESS;
END

DRIVER_CALL(cuMemGetInfo_v2, size_t* free, size_t* total)
    *total = number_of("STAND_IN_MEMORY", 8L << 30);
    *free = *total - std::min(*total, driver().used());
    return SUCCESS;
END

DRIVER_CALL(cuMemAlloc_v2, uintptr_t* address, size_t bytes)
    const int forbidden = driver().forbid_while_recording();
    REQUIRE(!forbidden, forbidden);
    REQUIRE(bytes > 0, INVALID_VALUE);
    const size_t total = number_of("STAND_IN_MEMORY", 8L << 30);
    REQUIRE(driver().used() + bytes <= total, OUT_OF_MEMORY);
    void* memory = fresh(bytes);
    REQUIRE(memory, OUT_OF_MEMORY);
    driver().device_memory[(uintptr_t)memory] = bytes;
    *address = (uintptr_t)memory;
    return SUCCESS;
END

DRIVER_CALL(cuMemFree_v2, uintptr_t address)
    const int forbidden = driver().forbid_while_recording();
    REQUIRE(!forbidden, forbidden);
    const auto found = driver().device_memory.find(address);
    REQUIRE(found != driver().device_memory.end(), INVALID_VALUE);
    driver().queue.finish_all();
    munmap((void*)address, found->second);
    driver().device_memory.erase(found);
    return SUCCESS;
END

DRIVER_CALL(cuMemHostAlloc, void** address, size_t bytes, unsigned)
    const int forbidden = driver().forbid_while_recording();
    REQUIRE(!forbidden, forbidden);
    void* memory = fresh(bytes);
    REQUIRE(memory, OUT_OF_MEMORY);
    driver().host_memory[(uintptr_t)memory] = bytes;
    *address = memory;
    return SUCCESS;
END

// Work that uses the memory is not waited for: who frees it must have.
DRIVER_CALL(cuMemFreeHost, void* address)
    const auto found = driver().host_memory.find((uintptr_t)address);
    REQUIRE(found != driver().host_memory.end(), INVALID_VALUE);
    munmap(address, std::max<size_t>(found->second, 1));
    driver().host_memory.erase(found);
    return SUCCESS;
END

DRIVER_CALL(cuMemsetD8Async, uintptr_t to, unsigned char value, size_t bytes, Stream* stream)
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    REQUIRE(Driver::holds(driver().device_memory, (void*)to, bytes), INVALID_VALUE);
    driver().put(stream, [=] { memset((void*)to, value, bytes); });
    return SUCCESS;
END

DRIVER_CALL(cuMemcpyHtoDAsync_v2, uintptr_t to, const void* from, size_t bytes, Stream* stream)
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    REQUIRE(Driver::holds(driver().device_memory, (void*)to, bytes), INVALID_VALUE);
    REQUIRE(Driver::holds(driver().host_memory, from, bytes), INVALID_VALUE);
    driver().put(stream, [=] { memcpy((void*)to, from, bytes); });
    return SUCCESS;
END

DRIVER_CALL(cuMemcpyDtoHAsync_v2, void* to, uintptr_t from, size_t bytes, Stream* stream)
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    REQUIRE(Driver::holds(driver().device_memory, (void*)from, bytes), INVALID_VALUE);
    REQUIRE(Driver::holds(driver().host_memory, to, bytes), INVALID_VALUE);
    driver().put(stream, [=] { memcpy(to, (void*)from, bytes); });
    return SUCCESS;
END

DRIVER_CALL(cuMemcpyDtoDAsync_v2, uintptr_t to, uintptr_t from, size_t bytes, Stream* stream)
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    REQUIRE(Driver::holds(driver().device_memory, (void*)from, bytes), INVALID_VALUE);
    REQUIRE(Driver::holds(driver().device_memory, (void*)to, bytes), INVALID_VALUE);
    driver().put(stream, [=] { memmove((void*)to, (void*)from, bytes); });
    return SUCCESS;
END

DRIVER_CALL(cuModuleLoadData, LoadedModule** loaded, const char* text)
    Module module = parse(text);
    REQUIRE(module.target <= capability(), NO_BINARY_FOR_GPU);
    // PTX 7.8 came with CUDA 11.8, and so on.
    const int version = (int)number_of("STAND_IN_VERSION", 13000);
    const int newest = version >= 13000 ? 90 : version >= 12000 ? 80 + version % 1000 / 10 : 70 + version % 1000 / 10;
    REQUIRE(module.version <= newest, UNSUPPORTED_PTX_VERSION);
    auto* made = new LoadedModule{std::move(module), {}};
    for (const auto& [name, entry] : made->text.entries) {
        const auto kernel = kernels().find(name);
        if (kernel == kernels().end() || kernel->second.sizes != entry.sizes) {
            fprintf(stderr, "stand-in: parameters of %s differ between PTX and source\n", name.c_str());
            delete made;
            return INVALID_VALUE;
        }
        made->functions[name] = {&kernel->second, entry.most_threads};
    }
    driver().modules.insert(made);
    *loaded = made;
    return SUCCESS;
END

DRIVER_CALL(cuModuleUnload, LoadedModule* module)
    REQUIRE(driver().modules.erase(module), INVALID_HANDLE);
    driver().queue.finish_all();
    delete module;
    return SUCCESS;
END

DRIVER_CALL(cuModuleGetFunction, Function** function, LoadedModule* module, const char* name)
    REQUIRE(driver().modules.count(module), INVALID_HANDLE);
    const auto found = module->functions.find(name);
    REQUIRE(found != module->functions.end(), NOT_FOUND);
    *function = &found->second;
    return SUCCESS;
END

DRIVER_CALL(
    cuLaunchKernel,
    Function* function,
    unsigned grid_x,
    unsigned grid_y,
    unsigned grid_z,
    unsigned block_x,
    unsigned block_y,
    unsigned block_z,
    unsigned,
    Stream* stream,
    void** parameters,
    void**
)
    constexpr unsigned MOST_Y = 65535;
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    REQUIRE(grid_x > 0 && grid_y > 0 && grid_z > 0, INVALID_VALUE);
    REQUIRE(grid_x < 1u << 31 && grid_y <= MOST_Y && grid_z <= MOST_Y, INVALID_VALUE);
    const unsigned threads = block_x * block_y * block_z;
    REQUIRE(threads > 0 && threads <= function->most_threads, INVALID_VALUE);
    // Parameters are copied now; what they point to is read when the kernel runs.
    const Kernel* kernel = function->kernel;
    constexpr size_t WORDS = 8;
    std::vector<std::array<uint64_t, WORDS>> copied(kernel->sizes.size());
    for (size_t i = 0; i < copied.size(); ++i) {
        memcpy(copied[i].data(), parameters[i], kernel->sizes[i]);
        const auto* address = (const void*)copied[i][0];
        if (kernel->is_address[i] && address && !Driver::holds(driver().device_memory, address, 1)) {
            fprintf(stderr, "stand-in: parameter %zu of %s is no address of the device\n", i, kernel->name);
            return driver().sticky = ILLEGAL_ADDRESS;
        }
    }
    driver().put(stream, [=]() mutable {
        std::vector<void*> pointers;
        for (auto& value : copied) {
            pointers.push_back(value.data());
        }
        emu_launch(*kernel, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, pointers.data());
    });
    return SUCCESS;
END

DRIVER_CALL(cuStreamCreate, Stream** stream, unsigned)
    *stream = *driver().streams.insert(new Stream).first;
    return SUCCESS;
END

DRIVER_CALL(cuStreamCreateWithPriority, Stream** stream, unsigned, int)
    *stream = *driver().streams.insert(new Stream).first;
    return SUCCESS;
END

DRIVER_CALL(cuStreamDestroy_v2, Stream* stream)
    REQUIRE(driver().streams.erase(stream), INVALID_HANDLE);
    // Its work is still done, when somebody waits for it.
    delete stream;
    return SUCCESS;
END

DRIVER_CALL(cuStreamSynchronize, Stream* stream)
    REQUIRE(driver().streams.count(stream), INVALID_HANDLE);
    const int forbidden = driver().forbid_while_recording();
    REQUIRE(!forbidden, forbidden);
    driver().queue.finish(stream->last);
    return SUCCESS;
END

DRIVER_CALL(cuStreamWaitEvent, Stream* stream, Event* event, unsigned)
    REQUIRE(driver().streams.count(stream) && driver().events.count(event), INVALID_HANDLE);
    if (event->recording) {
        // A stream that waits for recorded work is recorded too.
        REQUIRE(!stream->recording || stream->recording == event->recording, INVALID_VALUE);
        if (!stream->recording) {
            stream->recording = event->recording;
            stream->recording->last[stream] = NONE;
        }
        if (event->piece != NONE) {
            stream->waits.insert(event->piece);
        }
    } else {
        REQUIRE(!stream->recording, STREAM_CAPTURE_UNSUPPORTED);
        stream->last = driver().queue.add([] {}, {stream->last, event->marked});
    }
    return SUCCESS;
END

DRIVER_CALL(cuStreamBeginCapture_v2, Stream* stream, int)
    REQUIRE(driver().streams.count(stream) && !stream->recording, INVALID_HANDLE);
    stream->recording = std::make_shared<Graph>();
    stream->recording->last[stream] = NONE;
    return SUCCESS;
END

// It ends the recording also when it fails.
extern "C" int cuStreamEndCapture(Stream* stream, std::shared_ptr<Graph>** graph) {
    const std::lock_guard<std::recursive_mutex> lock(one_at_a_time());
    const int failed = driver().enter("cuStreamEndCapture");
    REQUIRE(driver().streams.count(stream) && stream->recording, INVALID_HANDLE);
    auto recorded = stream->recording;
    // All that the end of this stream waits for.
    std::set<size_t> joined = stream->waits;
    if (recorded->last[stream] != NONE) {
        joined.insert(recorded->last[stream]);
    }
    std::vector<size_t> stack(joined.begin(), joined.end());
    while (!stack.empty()) {
        const size_t piece = stack.back();
        stack.pop_back();
        for (size_t before : recorded->work[piece].after) {
            if (joined.insert(before).second) {
                stack.push_back(before);
            }
        }
    }
    int code = recorded->is_invalid ? STREAM_CAPTURE_INVALIDATED : failed;
    for (const auto& [other, last] : recorded->last) {
        auto* joined_stream = (Stream*)other;
        joined_stream->recording = nullptr;
        joined_stream->waits.clear();
        if (last != NONE && !joined.count(last)) {
            code = STREAM_CAPTURE_UNJOINED;
        }
    }
    REQUIRE(code == SUCCESS, code);
    *graph = *driver().graphs.insert(new std::shared_ptr<Graph>(recorded)).first;
    return SUCCESS;
}

DRIVER_CALL(cuGraphInstantiateWithFlags, std::shared_ptr<Graph>** executable, std::shared_ptr<Graph>* graph, unsigned long long)
    REQUIRE(driver().graphs.count(graph), INVALID_HANDLE);
    *executable = *driver().executables.insert(new std::shared_ptr<Graph>(*graph)).first;
    return SUCCESS;
END

DRIVER_CALL(cuGraphLaunch, std::shared_ptr<Graph>* executable, Stream* stream)
    REQUIRE(driver().executables.count(executable), INVALID_HANDLE);
    REQUIRE(driver().streams.count(stream) && !stream->recording, INVALID_HANDLE);
    const Ticket before = stream->last;
    std::vector<Ticket> tickets;
    std::vector<Ticket> all{before};
    for (const Recorded& piece : (*executable)->work) {
        std::vector<Ticket> after{before};
        for (size_t place : piece.after) {
            after.push_back(tickets[place]);
        }
        tickets.push_back(driver().queue.add(piece.run, after));
        all.push_back(tickets.back());
    }
    stream->last = driver().queue.add([] {}, all);
    return SUCCESS;
END

DRIVER_CALL(cuGraphDestroy, std::shared_ptr<Graph>* graph)
    REQUIRE(driver().graphs.erase(graph), INVALID_HANDLE);
    delete graph;
    return SUCCESS;
END

DRIVER_CALL(cuGraphExecDestroy, std::shared_ptr<Graph>* executable)
    REQUIRE(driver().executables.erase(executable), INVALID_HANDLE);
    delete executable;
    return SUCCESS;
END

DRIVER_CALL(cuEventCreate, Event** event, unsigned)
    *event = *driver().events.insert(new Event).first;
    return SUCCESS;
END

DRIVER_CALL(cuEventRecord, Event* event, Stream* stream)
    REQUIRE(driver().events.count(event) && driver().streams.count(stream), INVALID_HANDLE);
    event->recording = stream->recording;
    if (!stream->recording) {
        event->marked = stream->last;
        return SUCCESS;
    }
    if (!stream->waits.empty()) {
        // What the stream waits for is part of what the event marks.
        driver().put(stream, [] {});
    }
    event->piece = stream->recording->last[stream];
    return SUCCESS;
END

DRIVER_CALL(cuEventSynchronize, Event* event)
    REQUIRE(driver().events.count(event), INVALID_HANDLE);
    const int forbidden = driver().forbid_while_recording();
    REQUIRE(!forbidden, forbidden);
    driver().queue.finish(event->marked);
    return SUCCESS;
END

DRIVER_CALL(cuEventElapsedTime, float* milliseconds, Event*, Event*)
    *milliseconds = 1.0f;
    return SUCCESS;
END

DRIVER_CALL(cuEventDestroy_v2, Event* event)
    REQUIRE(driver().events.erase(event), INVALID_HANDLE);
    delete event;
    return SUCCESS;
END

// These two are asked after something failed.
extern "C" int cuGetErrorName(int code, const char** name) {
    static std::map<int, std::string> names;
    *name = names.emplace(code, "STAND_IN_" + std::to_string(code)).first->second.c_str();
    return SUCCESS;
}

extern "C" int cuGetErrorString(int code, const char** text) {
    static std::map<int, std::string> texts;
    *text = texts.emplace(code, "the stand-in fails with " + std::to_string(code)).first->second.c_str();
    return SUCCESS;
}
