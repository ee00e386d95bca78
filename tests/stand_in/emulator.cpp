// Runs the threads of blocks: see emulator.h.
#include "emulator.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>

thread_local Dim3 threadIdx;
thread_local Dim3 blockIdx;
thread_local Dim3 blockDim;
thread_local Dim3 gridDim;

namespace {

// Order of threads and blocks: ascending, descending, shuffled.
enum Order { ASCENDING, DESCENDING, SHUFFLED };

Order order() {
    static const char* set = getenv("STAND_IN_ORDER");
    return set ? (Order)atoi(set) : ASCENDING;
}

unsigned host_threads() {
    static const char* set = getenv("STAND_IN_THREADS");
    return set ? std::max(1, atoi(set)) : 2;
}

[[noreturn]] void fault(const char* what) {
    fprintf(
        stderr,
        "stand-in: %s (block %u %u %u, thread %u %u %u)\n",
        what,
        blockIdx.x,
        blockIdx.y,
        blockIdx.z,
        threadIdx.x,
        threadIdx.y,
        threadIdx.z
    );
    abort();
}

// A NaN that no computation makes.
constexpr uint32_t POISON = 0x7fc0dead;

struct LateCopy {
    float* to;
    float values[4];
    int count;
};

// Copies of a thread that nobody has waited for: ended groups, then the open one.
struct Copies {
    std::vector<std::vector<LateCopy>> groups;
    std::vector<LateCopy> open;

    void begin() {
        groups.clear();
        open.clear();
    }
};

#if defined(__x86_64__)

// A stack that is not running is its pointer: what the callee saves lies on top of it.
using Context = void*;

extern "C" void emu_switch(Context* save, Context resume);

asm(R"(
.text
.local emu_switch
.type emu_switch, @function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    // Aligned as after a call, with six registers below the address of the entry.
    auto* top = (void**)(((uintptr_t)stack + size) & ~(uintptr_t)15);
    *--top = nullptr;
    *--top = (void*)entry;
    top -= 6;
    memset(top, 0, 6 * sizeof(void*));
    context = top;
}

void switch_to(Context& save, Context& resume) {
    emu_switch(&save, resume);
}

#else

using Context = ucontext_t;

void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}

void switch_to(Context& save, Context& resume) {
    swapcontext(&save, &resume);
}

#endif

constexpr size_t STACK = 64 << 10;
constexpr unsigned MOST_THREADS = 1024;

// A thread of the host that runs blocks.
struct Worker {
    char* stacks;
    Context main;
    Context contexts[MOST_THREADS];
    Copies copies[MOST_THREADS];
    unsigned barriers[MOST_THREADS];
    bool is_done[MOST_THREADS];
    unsigned current = 0;
    bool has_coroutines = false;
    const Kernel* kernel = nullptr;
    void** parameters = nullptr;
    std::minstd_rand random{1};

    Worker() {
        void* memory = mmap(
            nullptr,
            STACK * MOST_THREADS,
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1,
            0
        );
        stacks = (char*)memory;
    }

    ~Worker() { munmap(stacks, STACK * MOST_THREADS); }

    static Dim3 place(unsigned number, Dim3 size) {
        return {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
    }

    void run_block(Dim3 block, Dim3 at) {
        const unsigned count = block.x * block.y * block.z;
        std::vector<unsigned> turns(count);
        for (unsigned i = 0; i < count; ++i) {
            turns[i] = order() == DESCENDING ? count - 1 - i : i;
            copies[i].begin();
            barriers[i] = 0;
            is_done[i] = false;
        }
        shuffle(turns);
        blockIdx = at;
        resume(turns[0], block);
        if (is_done[turns[0]] && barriers[turns[0]] == 0) {
            // It met no barrier: the others are plain calls.
            for (unsigned i = 1; i < count; ++i) {
                current = turns[i];
                threadIdx = place(current, block);
                kernel->run(parameters);
                is_done[current] = true;
            }
        } else {
            run_coroutines(turns, block);
        }
        for (unsigned i = 0; i < count; ++i) {
            if (!copies[i].open.empty() || !copies[i].groups.empty()) {
                fault("a copy into shared memory is never waited for");
            }
        }
    }

    // All threads take turns, from one barrier to the next. The first of them has had its first turn.
    void run_coroutines(std::vector<unsigned>& turns, Dim3 block) {
        std::vector<unsigned> first_turns(turns.begin() + 1, turns.end());
        for (unsigned turn : first_turns) {
            resume(turn, block);
        }
        const size_t count = turns.size();
        for (;;) {
            size_t done = 0;
            for (unsigned turn : turns) {
                done += is_done[turn];
                if (barriers[turn] != barriers[turns[0]]) {
                    fault("threads of a block meet different barriers");
                }
            }
            if (done == count) {
                return;
            }
            if (done != 0) {
                fault("some threads of a block end while others wait at a barrier");
            }
            shuffle(turns);
            for (unsigned turn : turns) {
                resume(turn, block);
            }
        }
    }

    // Runs a thread until its next barrier or its end.
    void resume(unsigned thread, Dim3 block) {
        if (barriers[thread] == 0) {
            prepare(contexts[thread], stacks + thread * STACK, STACK, entry);
        }
        current = thread;
        threadIdx = place(thread, block);
        has_coroutines = true;
        switch_to(main, contexts[thread]);
        has_coroutines = false;
    }

    void wait_at_barrier() {
        if (!has_coroutines) {
            fault("a thread meets a barrier that others did not");
        }
        ++barriers[current];
        const unsigned me = current;
        switch_to(contexts[me], main);
    }

    void shuffle(std::vector<unsigned>& turns) {
        if (order() == SHUFFLED) {
            std::shuffle(turns.begin(), turns.end(), random);
        }
    }

    static void entry();
};

thread_local std::unique_ptr<Worker> worker;

void Worker::entry() {
    Worker& mine = *worker;
    mine.kernel->run(mine.parameters);
    mine.is_done[mine.current] = true;
    switch_to(mine.contexts[mine.current], mine.main);
}

}  // namespace

void __syncthreads() {
    worker->wait_at_barrier();
}

void emu_cp(float* to, const float* from, int count, bool is_there) {
    const size_t bytes = count * sizeof(float);
    if ((uintptr_t)to % bytes != 0 || (is_there && (uintptr_t)from % bytes != 0)) {
        fault("a copy into shared memory is not aligned");
    }
    LateCopy copy = {to, {}, count};
    if (is_there) {
        memcpy(copy.values, from, bytes);
    }
    for (int i = 0; i < count; ++i) {
        memcpy(to + i, &POISON, sizeof POISON);
    }
    worker->copies[worker->current].open.push_back(copy);
}

void emu_cp_commit() {
    Copies& copies = worker->copies[worker->current];
    copies.groups.push_back(std::move(copies.open));
    copies.open.clear();
}

void emu_cp_wait(int groups_left) {
    auto& groups = worker->copies[worker->current].groups;
    while ((int)groups.size() > groups_left) {
        for (const LateCopy& copy : groups.front()) {
            memcpy(copy.to, copy.values, copy.count * sizeof(float));
        }
        groups.erase(groups.begin());
    }
}

void emu_launch(const Kernel& kernel, Dim3 grid, Dim3 block, void** parameters) {
    const size_t count = (size_t)grid.x * grid.y * grid.z;
    std::atomic<size_t> next{0};
    auto work = [&] {
        if (!worker) {
            worker = std::make_unique<Worker>();
        }
        worker->kernel = &kernel;
        worker->parameters = parameters;
        blockDim = block;
        gridDim = grid;
        for (size_t turn = next++; turn < count; turn = next++) {
            // A stride that shares no factor with most counts spreads neighbours.
            size_t number = turn;
            if (order() == DESCENDING) {
                number = count - 1 - turn;
            } else if (order() == SHUFFLED && count % 7919 != 0) {
                number = turn * 7919 % count;
            }
            const auto x = (unsigned)(number % grid.x);
            const auto y = (unsigned)(number / grid.x % grid.y);
            const auto z = (unsigned)(number / grid.x / grid.y);
            worker->run_block(block, {x, y, z});
        }
    };
    // A thread is worth its start where there is some work.
    constexpr size_t FEW_THREADS = 4096;
    const size_t threads = count * block.x * block.y * block.z;
    std::vector<std::thread> others;
    if (threads > FEW_THREADS) {
        for (unsigned i = 1; i < host_threads(); ++i) {
            others.emplace_back(work);
        }
    }
    work();
    for (std::thread& other : others) {
        other.join();
    }
}
