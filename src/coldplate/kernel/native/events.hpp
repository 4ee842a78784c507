// Where noise acts in a shot.
//
// A location acts with a probability that doesn't depend on the state: Paulis do, and damping may only if a
// uniform number is below gamma (whether it does is decided when the state is known: Dalibard, Castin, Molmer,
// PRL 68, 580 (1992), with the part of the decision that is independent of the state drawn first). So shots in
// which nothing acts are known beforehand, and share one state.
#pragma once
#include <vector>

#include "program.hpp"
#include "random.hpp"

namespace coldplate {

struct Event {
  int block, item;
  int pauli;  // 0: damping
  double u;   // of damping: uniform, below 1; it acts if u < the population of 1
};

class Survival {
 public:
  explicit Survival(const Program &program) : program_(program) {
    double left = 1;
    first_.push_back(0);
    for (size_t at = 0; at < program.locations.size(); ++at) {
      left *= 1 - program.locations[at].probability;
      left_.push_back(left);
      if (left < 0.05) first_.push_back(int(at) + 1), left = 1;
    }
    if (first_.back() != int(left_.size())) first_.push_back(int(left_.size()));
  }

  bool none() const { return left_.empty(); }

  // Probability that nothing acts.
  double quiet() const {
    double product = 1;
    for (size_t part = 0; part + 1 < first_.size(); ++part) product *= left_[first_[part + 1] - 1];
    return product;
  }

  // The first location that acts in a shot; -1: none.
  int first(Stream draws) const {
    for (size_t part = 0; part + 1 < first_.size(); ++part) {
      const int found = next(first_[part], first_[part + 1], 1, draws);
      if (found >= 0) return found;
    }
    return -1;
  }

  // All that happens in a shot, in the order of the program.
  void all(Stream draws, std::vector<Event> &events) const {
    events.clear();
    for (size_t part = 0; part + 1 < first_.size(); ++part) {
      double left = 1;
      for (int from = first_[part], to = first_[part + 1]; from < to;) {
        const int found = next(from, to, left, draws);
        if (found < 0) break;
        act(found, draws, events);
        left = left_[found];
        from = found + 1;
      }
    }
    if (events.size() > 1)
      std::sort(events.begin(), events.end(), [this](const Event &x, const Event &y) {
        const int a = program_.block_op[x.block], b = program_.block_op[y.block];
        return a != b ? a < b : x.item < y.item;
      });
  }

 private:
  const Program &program_;
  std::vector<double> left_;  // probability that nothing acts from the start of its part on, this one included
  std::vector<int> first_;    // of each part, and the end

  int next(int from, int to, double left, Stream &draws) const {
    const double u = draws.uniform() * left;
    if (u < left_[to - 1]) return -1;
    // the first with left_ <= u
    auto found = std::lower_bound(left_.begin() + from, left_.begin() + to, u, [](double value, double u) { return value > u; });
    return found == left_.begin() + to ? -1 : int(found - left_.begin());
  }

  void act(int index, Stream &draws, std::vector<Event> &events) const {
    const Location &one = program_.locations[index];
    if (one.table < 0) {
      events.push_back({one.places[0].block, one.places[0].item, 0, draws.uniform()});
      return;
    }
    const std::vector<double> &table = program_.source.paulis[one.table];
    double sum = 0;
    for (size_t letter = 1; letter < table.size(); ++letter) sum += table[letter];
    double u = draws.uniform() * sum;
    int last = 0;
    for (int letter = 1; letter < int(table.size()); ++letter) {
      if (table[letter] <= 0) continue;
      last = letter;
      u -= table[letter];
      if (u < 0) break;
    }
    for (int side = 0; side < 2; ++side) {
      const int letter = side ? last >> 2 : last & 3;
      if (letter && one.places[side].block >= 0) events.push_back({one.places[side].block, one.places[side].item, letter, 0});
    }
  }
};

}  // namespace coldplate
