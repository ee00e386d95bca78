// Work that is put off: operations with what they wait for, run as late or in as odd an order as that allows.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <vector>

// One operation of a stream.
struct Operation {
    std::function<void()> run;
    std::vector<std::shared_ptr<Operation>> after;
    bool is_done = false;
};

using Ticket = std::shared_ptr<Operation>;

// Operations in an order that their dependencies allow, all of them after `last`.
class Queue {
public:
    // STAND_IN_ORDER: 0 runs what nobody waits for as late as possible, 1 at once, 2 in a random order.
    explicit Queue(int order) : order(order) {}

    Ticket add(std::function<void()> run, std::vector<Ticket> after) {
        auto operation = std::make_shared<Operation>();
        operation->run = std::move(run);
        for (Ticket& before : after) {
            if (before && !before->is_done) {
                operation->after.push_back(std::move(before));
            }
        }
        if (order == 1) {
            finish(operation);
        } else {
            waiting.push_back(operation);
        }
        return operation;
    }

    // Runs an operation after all that it waits for; in a random order others may come first.
    void finish(Ticket last) {
        if (!last) {
            return;
        }
        if (order == 2) {
            while (!last->is_done) {
                run_any();
            }
            return;
        }
        std::vector<Ticket> stack{last};
        while (!stack.empty()) {
            Ticket operation = stack.back();
            if (operation->is_done) {
                stack.pop_back();
                continue;
            }
            const size_t depth = stack.size();
            for (const Ticket& before : operation->after) {
                if (!before->is_done) {
                    stack.push_back(before);
                }
            }
            if (stack.size() == depth) {
                stack.pop_back();
                run(operation);
            }
        }
        forget_done();
    }

    // Runs all of it.
    void finish_all() {
        while (!waiting.empty()) {
            finish(waiting.front());
            forget_done();
        }
    }

private:
    int order;
    std::vector<Ticket> waiting;
    std::minstd_rand random{7};

    static bool is_ready(const Ticket& operation) {
        for (const Ticket& before : operation->after) {
            if (!before->is_done) {
                return false;
            }
        }
        return true;
    }

    static void run(const Ticket& operation) {
        operation->run();
        operation->is_done = true;
        operation->after.clear();
        operation->run = nullptr;
    }

    void run_any() {
        forget_done();
        const size_t first = random() % waiting.size();
        for (size_t i = 0; i < waiting.size(); ++i) {
            const Ticket operation = waiting[(first + i) % waiting.size()];
            if (is_ready(operation)) {
                run(operation);
                return;
            }
        }
    }

    void forget_done() {
        std::vector<Ticket> left;
        for (Ticket& operation : waiting) {
            if (!operation->is_done) {
                left.push_back(std::move(operation));
            }
        }
        waiting = std::move(left);
    }
};
