// A program for many elements: quiet shots from shared states, the others trajectory by trajectory.
#pragma once
#include <numeric>

#include "shots.hpp"

namespace coldplate {

constexpr size_t SLAB = 1 << 16;  // shots that are drawn in one go

struct Settings {
  uint64_t seed = 0;
  int threads = 1;
  double max_bytes = 1e18;
};

// An eventful shot, and the operation where its way parts from the quiet one.
struct Eventful {
  uint32_t op;
  uint32_t element;
  uint64_t shot;
};

inline double state_bytes(int qubits, bool single, bool wide) {
  const double amplitude = wide ? (single ? 8 : 16) : 128;
  return std::ldexp(amplitude, qubits);
}

template <class R, Layout L> class Runner {
 public:
  using S = State<R, L>;
  static constexpr int lanes = S::lanes;

  Runner(const Program &program, const Elements &elements, const std::vector<std::vector<size_t>> &groups, Settings settings, Work &work, uint64_t *out)
      : program_(program), elements_(elements), groups_(groups), settings_(settings), work_(work), survival_(program),
        writer_(program, settings.seed, elements, out), segments_(program.segments(LOCAL, S::shift)) {
    const double each = state_bytes(program.source.num_qubits, sizeof(R) == 4, L == Layout::wide) * 2.05 + (1 << 21);
    // states that are not gathered are too small to share; of the others each has all threads
    const bool many = L == Layout::batch || program.source.num_qubits - S::shift <= LOCAL;
    outer_ = many ? std::max(1, int(std::min<double>(settings.threads, settings.max_bytes / each))) : 1;
    inner_ = many ? 1 : settings.threads;
    states_.resize(size_t(outer_) * 2);
  }

  void run() {
    if (program_.first_dynamic < 0) run_quiet();
    if (survival_.none() && program_.first_dynamic < 0) return;
    // in slabs, or the list of eventful shots could be larger than the states
    constexpr size_t slab = size_t(1) << 22;
    for (size_t group = 0; group < groups_.size();) {
      std::vector<size_t> taken;
      size_t shots = 0;
      for (; group < groups_.size() && (taken.empty() || shots < slab); ++group) {
        taken.push_back(group);
        for (size_t element : groups_[group]) shots += elements_.shots[element];
      }
      run_eventful(taken);
    }
  }

 private:
  const Program &program_;
  const Elements &elements_;
  const std::vector<std::vector<size_t>> &groups_;
  Settings settings_;
  Work &work_;
  Survival survival_;
  Writer writer_;
  std::vector<Segment> segments_;
  int outer_, inner_;
  std::vector<std::unique_ptr<S>> states_;  // two of each thread

  S &own(int thread, int which) {
    std::unique_ptr<S> &one = states_[size_t(thread) * 2 + which];
    if (!one) one.reset(new S(program_, segments_, work_, inner_));
    return *one;
  }

  bool quiet(Stream noise) const { return survival_.none() || survival_.first(noise) < 0; }

  // --- shots in which nothing acts -------------------------------------------------------------

  void run_quiet() {
    const Shares all = shared_out(groups_, size_t(lanes) * outer_);
    const size_t batches = (all.size() + lanes - 1) / lanes;
    work_.each(batches, outer_, [&](size_t batch, int thread) {
      work_.check();
      const size_t first = batch * lanes, count = std::min<size_t>(lanes, all.size() - first);
      size_t rounds = 0;
      for (size_t lane = 0; lane < count; ++lane) rounds = std::max(rounds, all[first + lane].size());
      S &state = own(thread, 0), *copy = rounds > 1 ? &own(thread, 1) : nullptr;
      for (S *one : {&state, copy})
        if (one) std::fill(one->trajectories.begin(), one->trajectories.end(), Trajectory{});
      for (size_t lane = 0; lane < count; ++lane) {
        state.trajectories[lane].used = true;
        state.trajectories[lane].row = elements_.values(all[first + lane][0]);
      }
      state.ground();
      state.advance(0, program_.body);
      for (size_t round = 0; round < rounds; ++round) {
        const bool more = round + 1 < rounds;  // the last ones may change the shared state
        S &last = more ? *copy : state;
        if (more) last.copy(state);
        for (size_t lane = 0; lane < count; ++lane) {
          const std::vector<size_t> &own = all[first + lane];
          last.trajectories[lane].used = round < own.size();
          if (round < own.size()) last.trajectories[lane].row = elements_.values(own[round]);
        }
        last.advance(program_.body, int(program_.ops.size()));
        sample_quiet(last, all, first, count, round);
      }
    });
  }

  void sample_quiet(S &state, const Shares &all, size_t first, size_t count, size_t round) {
    size_t most = 0;
    for (size_t lane = 0; lane < count; ++lane)
      if (round < all[first + lane].size()) most = std::max(most, elements_.shots[all[first + lane][round]]);
    if (!most) return;
    Sampler<R, L> sampler(state, work_, most);
    typename Sampler<R, L>::Wanted wanted;
    for (size_t lane = 0; lane < count; ++lane) {
      if (round >= all[first + lane].size()) continue;
      const size_t element = all[first + lane][round];
      const Streams noise(settings_.seed, element, Purpose::noise), outcome(settings_.seed, element, Purpose::outcome);
      for (size_t shot = 0; shot < elements_.shots[element];) {
        wanted.clear();
        for (const size_t end = std::min(elements_.shots[element], shot + SLAB); shot < end; ++shot)
          if (quiet(noise.shot(shot))) wanted.push_back({shot, outcome.shot(shot).uniform()});
        sampler.draw(int(lane), wanted, [&](size_t own, uint64_t k) { writer_.write(element, own, k); });
        work_.check();
      }
    }
  }

  // --- shots in which something does -------------------------------------------------------------

  void run_eventful(const std::vector<size_t> &groups) {
    std::vector<std::vector<Eventful>> found(groups.size());
    work_.each(groups.size(), settings_.threads, [&](size_t at, int) {
      for (size_t element : groups_[groups[at]]) list(element, found[at]);
      by_operation(found[at]);
    });
    // many from one state follow it to where their ways part; a few of many go all the way together
    struct Unit { const std::vector<Eventful> *from; size_t first, last; };
    std::vector<Eventful> together;
    std::vector<Unit> units;
    const size_t led = size_t(lanes) * 4, chunk = size_t(lanes) * 32;
    for (const auto &one : found) {
      if (one.size() < led) together.insert(together.end(), one.begin(), one.end());
      else
        for (size_t at = 0; at < one.size(); at += chunk) units.push_back({&one, at, std::min(one.size(), at + chunk)});
    }
    const size_t alone = units.size();
    for (size_t at = 0; at < together.size(); at += lanes) units.push_back({&together, at, std::min(together.size(), at + lanes)});
    work_.each(units.size(), outer_, [&](size_t at, int thread) {
      const Unit &unit = units[at];
      if (at < alone) follow(*unit.from, unit.first, unit.last, own(thread, 0), own(thread, 1));
      else trajectories(*unit.from, unit.first, unit.last, own(thread, 0), nullptr, 0);
    });
  }

  // In the order of their operations, else as they were.
  void by_operation(std::vector<Eventful> &found) {
    std::vector<size_t> start(program_.ops.size() + 2, 0);
    for (const Eventful &one : found) ++start[one.op + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<Eventful> ordered(found.size());
    for (const Eventful &one : found) ordered[start[one.op]++] = one;
    found.swap(ordered);
    work_.check();
  }

  void list(size_t element, std::vector<Eventful> &found) {
    const Streams noise(settings_.seed, element, Purpose::noise);
    const uint32_t dynamic = program_.first_dynamic < 0 ? UINT32_MAX : uint32_t(program_.first_dynamic);
    for (size_t shot = 0; shot < elements_.shots[element]; ++shot) {
      const int first = survival_.none() ? -1 : survival_.first(noise.shot(shot));
      const uint32_t op = std::min(first < 0 ? UINT32_MAX : uint32_t(program_.locations[first].op), dynamic);
      if (op != UINT32_MAX) found.push_back({op, uint32_t(element), shot});
      if (shot % 4096 == 0) work_.check();
    }
  }

  // The quiet state goes ahead, and batches leave it where their first event is.
  void follow(const std::vector<Eventful> &from, size_t first, size_t last, S &leader, S &state) {
    for (Trajectory &lane : leader.trajectories) {
      lane = Trajectory{};
      lane.used = true;
      lane.row = elements_.values(from[first].element);
    }
    leader.ground();
    int at = 0;
    for (size_t begin = first; begin < last; begin += lanes) {
      // the last blocks differ between elements, so the quiet state ends before them
      const int to = std::min<int>(from[begin].op, program_.body);
      if (to > at) leader.advance(at, to), at = to;
      trajectories(from, begin, std::min(last, begin + lanes), state, &leader, at);
    }
  }

  void trajectories(const std::vector<Eventful> &from, size_t first, size_t last, S &state, const S *leader, int at) {
    work_.check();
    for (int lane = 0; lane < lanes; ++lane) {
      Trajectory &one = state.trajectories[lane];
      one.used = first + lane < last;
      one.events.clear();
      one.next = 0;
      one.active.clear();
      if (!one.used) continue;
      const Eventful &own = from[first + lane];
      one.element = own.element, one.shot = own.shot;
      one.row = elements_.values(own.element);
      one.draws = Streams(settings_.seed, own.element, Purpose::measurement).shot(own.shot);
      one.bits.assign(program_.dynamic ? program_.source.num_clbits : 0, 0);
      if (!survival_.none()) survival_.all(Streams(settings_.seed, own.element, Purpose::noise).shot(own.shot), one.events);
    }
    if (leader) state.copy(*leader);
    else state.ground();
    state.advance(at, int(program_.ops.size()));
    Sampler<R, L> sampler(state, work_, 1);
    for (int lane = 0; lane < lanes; ++lane) {
      const Trajectory &one = state.trajectories[lane];
      if (!one.used) continue;
      const double u = Streams(settings_.seed, one.element, Purpose::outcome).shot(one.shot).uniform();
      sampler.draw(lane, {{one.shot, u}}, [&](size_t shot, uint64_t k) { writer_.write(one.element, shot, k, program_.dynamic ? &one.bits : nullptr); });
    }
  }
};

}  // namespace coldplate
