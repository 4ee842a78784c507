// Work on several threads that can be told to stop.
#pragma once
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace coldplate {

struct Stopped : std::exception {
  const char *what() const noexcept override { return "stopped"; }
};

class Work {
 public:
  Work(const std::atomic<bool> &stop, std::function<void()> signals)
      : stop_(stop), signals_(std::move(signals)), caller_(std::this_thread::get_id()), last_(Clock::now()) {}

  // Ends the work when it was told to stop; lets the caller's signals be handled now and then.
  void check() {
    if (stop_.load(std::memory_order_relaxed) || failed_.load(std::memory_order_relaxed)) throw Stopped();
    if (++asked_ % 64 || std::this_thread::get_id() != caller_) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return;
    last_ = now;
    signals_();
  }

  // body(index, thread) for every index, in any order.
  template <class F> void each(size_t count, int threads, F &&body) {
    threads = int(std::min<size_t>(threads, count));
    if (threads <= 1) {
      for (size_t at = 0; at < count; ++at) body(at, 0);
      return;
    }
    std::atomic<size_t> next{0};
    std::exception_ptr error;
    std::mutex guard;
    auto loop = [&](int thread) {
      try {
        for (size_t at; (at = next.fetch_add(1)) < count;) body(at, thread);
      } catch (...) {
        const std::lock_guard<std::mutex> hold(guard);
        if (!error) error = std::current_exception();  // the others only stop because of it
        failed_ = true;
      }
    };
    std::vector<std::thread> others;
    try {
      for (int thread = 1; thread < threads; ++thread) others.emplace_back(loop, thread);
    } catch (const std::system_error &) {  // the system gives no more threads: these do all
    }
    loop(0);
    for (std::thread &one : others) one.join();
    if (error) std::rethrow_exception(error);
  }

  // body(from, to) for parts of a range.
  template <class F> void split(size_t count, int threads, F &&body) {
    const size_t parts = std::max<size_t>(threads <= 1 ? 1 : size_t(threads) * 8, count >> 16);
    const size_t step = (count + parts - 1) / parts;
    each(parts, threads, [&](size_t part, int) {
      check();
      const size_t from = std::min(count, part * step), to = std::min(count, from + step);
      if (from < to) body(from, to);
    });
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::atomic<bool> &stop_;
  std::function<void()> signals_;
  std::thread::id caller_;
  Clock::time_point last_;
  std::atomic<bool> failed_{false};
  static thread_local inline unsigned asked_ = 0;
};

}  // namespace coldplate
