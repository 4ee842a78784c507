// States of a batch of trajectories, or one wide state, that operations of a program move on.
#pragma once
#include <cstdlib>
#include <memory>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "events.hpp"
#include "gates.hpp"
#include "work.hpp"

namespace coldplate {

// Where the system has huge pages, large buffers lie in them: taking and giving back a gigabyte is then 512 faults and
// not a quarter of a million, which is what a job that is told to stop would wait for.
constexpr size_t HUGE_PAGE = size_t(2) << 20;

template <class T> struct Buffer {  // aligned, not initialised
  T *at = nullptr;
  size_t size = 0;
  explicit Buffer(size_t n = 0) : size(n) {
    if (!n) return;
    const size_t page = n * sizeof(T) < 2 * HUGE_PAGE ? 64 : HUGE_PAGE;
    const size_t bytes = (n * sizeof(T) + page - 1) / page * page;
    at = static_cast<T *>(std::aligned_alloc(page, bytes));
    if (!at) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (page == HUGE_PAGE) madvise(at, bytes, MADV_HUGEPAGE);  // advice: nothing depends on it
#endif
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { std::free(at); }
};

// What one lane is.
struct Trajectory {
  const double *row = nullptr;  // of parameters
  bool used = false;
  uint64_t element = 0, shot = 0;
  std::vector<Event> events;
  size_t next = 0;              // of its events
  Stream draws{0};              // for measurements inside the circuit
  std::vector<uint8_t> bits;    // classical bits, of dynamic programs
  std::vector<uint8_t> active;  // stack of branches
  bool takes_part() const { return active.empty() || active.back(); }
};

constexpr int LOCAL = 12;            // bits of the index that are gathered at a time: half a megabyte
constexpr size_t REDUCED = 1 << 12;  // amplitudes that are summed in one go

template <class R, Layout L> class State {
 public:
  static constexpr int lanes = L == Layout::batch ? width<R> : 1;
  static constexpr int shift = lane_bits<R, L>;

  State(const Program &program, const std::vector<Segment> &segments, Work &work, int threads)
      : program_(program), segments_(segments), work_(work), threads_(threads), high_(program.source.num_qubits - shift),
        amplitudes_(size_t(1) << high_), trajectories(lanes) {
    if (high_ > LOCAL)
      for (int thread = 0; thread < threads_; ++thread) local_.emplace_back(new Buffer<Amplitude<R>>(size_t(1) << LOCAL));
  }

  size_t size() const { return size_t(1) << high_; }
  View<R> view() { return {amplitudes_.at, high_}; }
  const Amplitude<R> *data() const { return amplitudes_.at; }

  void ground() {
    in_parts(size(), [&](size_t from, size_t to) { std::memset(static_cast<void *>(amplitudes_.at + from), 0, (to - from) * sizeof(Amplitude<R>)); });
    if (L == Layout::wide) amplitudes_.at[0].re[0] = 1;
    else amplitudes_.at[0].re = all<R>(1);
  }

  void copy(const State &other) {
    in_parts(size(), [&](size_t from, size_t to) { std::memcpy(static_cast<void *>(amplitudes_.at + from), other.amplitudes_.at + from, (to - from) * sizeof(Amplitude<R>)); });
  }

  // Operations from one place of the program to another.
  void advance(int from, int to) {
    size_t part = 0;
    while (part < segments_.size() && segments_[part].last <= from) ++part;
    for (int at = from; at < to; ++part) {
      const Segment &segment = segments_[part];
      const int end = std::min(segment.last, to);
      std::vector<Ready<R>> ready;
      for (; at < end; ++at) {
        const Op &op = program_.ops[at];
        if (op.code >= Code::reset || has_damping(op)) {
          run(ready, segment);
          ready.clear();
          if (op.code >= Code::reset) classical(op);
          else damped(op);
        } else if (high_ <= LOCAL) {
          Ready<R> one;
          if (prepare(op, one)) apply<R, L>(view(), one);
        } else {
          Ready<R> one;
          if (prepare(op, one)) ready.push_back(std::move(one));
        }
        work_.check();
      }
      run(ready, segment);
    }
  }

  // Norm of every lane, and the part of it where a qubit is 1.
  void weights(int qubit, double *one, double *total) {
    const size_t parts = (size() + REDUCED - 1) / REDUCED;
    std::vector<double> sums(parts * 2 * width<R>, 0.0);
    in_parts(parts, [&](size_t from, size_t to) {
      for (size_t part = from; part < to; ++part) sum_part(part, qubit, &sums[part * 2 * width<R>]);
    });
    for (int lane = 0; lane < lanes; ++lane) one[lane] = total[lane] = 0;
    const Mask<R> index = lane_index<R>();
    for (size_t part = 0; part < parts; ++part)
      for (int lane = 0; lane < width<R>; ++lane) {
        const int to = L == Layout::wide ? 0 : lane;
        const double *sum = &sums[part * 2 * width<R>];
        total[to] += sum[lane];
        if (qubit < shift) one[to] += (int64_t(index[lane]) >> qubit & 1) ? sum[lane] : 0.0;
        else one[to] += sum[width<R> + lane];
      }
  }

  template <class F> void in_parts(size_t count, F &&body) { work_.split(count, count * sizeof(Amplitude<R>) > (1 << 22) ? threads_ : 1, body); }

 private:
  const Program &program_;
  const std::vector<Segment> &segments_;
  Work &work_;
  int threads_, high_;
  Buffer<Amplitude<R>> amplitudes_;
  std::vector<std::unique_ptr<Buffer<Amplitude<R>>>> local_;

 public:
  std::vector<Trajectory> trajectories;

 private:
  void sum_part(size_t part, int qubit, double *sums) const {
    const size_t from = part * REDUCED, to = std::min(size(), from + REDUCED);
    const size_t bit = qubit < shift ? 0 : size_t(1) << (qubit - shift);
    Vec<R> total{}, one{};
    for (size_t k = from; k < to; ++k) {
      const Vec<R> weight = amplitudes_.at[k].re * amplitudes_.at[k].re + amplitudes_.at[k].im * amplitudes_.at[k].im;
      total += weight;
      if (k & bit) one += weight;
    }
    for (int lane = 0; lane < width<R>; ++lane) sums[lane] = total[lane], sums[width<R> + lane] = one[lane];
  }

  bool here(const Trajectory &lane, int block) const {
    return lane.next < lane.events.size() && lane.events[lane.next].block == block;
  }

  bool has_damping(const Op &op) const {
    if (op.code != Code::block || !program_.blocks[op.arg].noisy) return false;
    for (const Trajectory &lane : trajectories)
      for (size_t at = lane.next; at < lane.events.size() && lane.events[at].block == op.arg; ++at)
        if (!lane.events[at].pauli) return true;
    return false;
  }

  Matrix2 step(const Item &item, const Trajectory &lane) const {
    const Source &s = program_.source;
    switch (item.kind) {
      case Kind::matrix: return s.matrices[item.arg];
      case Kind::damp: return {1, 0, 0, std::sqrt(1 - s.damping[item.arg])};
      case Kind::pauli: return {};
      case Kind::rz: return rotation(In::rz, s.angles.of(item.arg, lane.row));
      case Kind::rx: return rotation(In::rx, s.angles.of(item.arg, lane.row));
      default: return rotation(In::ry, s.angles.of(item.arg, lane.row));
    }
  }

  // A lane's matrix of a block, Paulis included; stops before damping that may act and says so.
  Matrix2 product(const Block &block, int number, Trajectory &lane, size_t &item, bool &stopped) const {
    Matrix2 m;
    stopped = false;
    for (; item < block.items.size(); ++item) {
      if (here(lane, number) && lane.events[lane.next].item == int(item)) {
        if (!lane.events[lane.next].pauli) {
          stopped = true;
          return m;
        }
        m = pauli_matrix(lane.events[lane.next++].pauli).after(m);
        continue;
      }
      m = step(block.items[item], lane).after(m);
    }
    return m;
  }

  static void put(Matrix2V<R> &all, int lane, const Matrix2 &m) {
    all.ar[lane] = R(m.a.real()), all.ai[lane] = R(m.a.imag()), all.br[lane] = R(m.b.real()), all.bi[lane] = R(m.b.imag());
    all.cr[lane] = R(m.c.real()), all.ci[lane] = R(m.c.imag()), all.dr[lane] = R(m.d.real()), all.di[lane] = R(m.d.imag());
  }
  static void put_everywhere(Matrix2V<R> &m, const Matrix2 &one) {
    m.ar = all<R>(one.a.real()), m.ai = all<R>(one.a.imag()), m.br = all<R>(one.b.real()), m.bi = all<R>(one.b.imag());
    m.cr = all<R>(one.c.real()), m.ci = all<R>(one.c.imag()), m.dr = all<R>(one.d.real()), m.di = all<R>(one.d.imag());
  }
  static void spread(Matrix2V<R> &m) {  // of a wide state: one matrix for all lanes
    const R first[8] = {m.ar[0], m.ai[0], m.br[0], m.bi[0], m.cr[0], m.ci[0], m.dr[0], m.di[0]};
    put_everywhere(m, {{first[0], first[1]}, {first[2], first[3]}, {first[4], first[5]}, {first[6], first[7]}});
  }

  // Matrices of all lanes at once, where nothing acts.
  void quiet(const Block &block, Matrix2V<R> &out) const {
    double m[8][width<R>];
    for (int k = 0; k < 8; ++k)
      for (int lane = 0; lane < lanes; ++lane) m[k][lane] = k == 0 || k == 6;
    for (const Item &item : block.items) {
      if (item.kind == Kind::pauli) continue;
      if (item.kind == Kind::rz) {
        for (int lane = 0; lane < lanes; ++lane) {
          double s = 0, c = 1;
          if (trajectories[lane].used) sine_cosine(program_.source.angles.of(item.arg, trajectories[lane].row), s, c);
          for (int k = 4; k < 8; k += 2) {
            const double re = m[k][lane], im = m[k + 1][lane];
            m[k][lane] = c * re - s * im;
            m[k + 1][lane] = c * im + s * re;
          }
        }
        continue;
      }
      const bool turns = item.kind == Kind::rx || item.kind == Kind::ry;
      Matrix2 one = turns ? Matrix2{} : step(item, trajectories[0]);
      for (int lane = 0; lane < lanes; ++lane) {
        if (turns) one = trajectories[lane].used ? step(item, trajectories[lane]) : Matrix2{};
        const double e[8] = {one.a.real(), one.a.imag(), one.b.real(), one.b.imag(), one.c.real(), one.c.imag(), one.d.real(), one.d.imag()};
        for (int column = 0; column < 4; column += 2) {
          const double xr = m[column][lane], xi = m[column + 1][lane], yr = m[column + 4][lane], yi = m[column + 5][lane];
          m[column][lane] = e[0] * xr - e[1] * xi + (e[2] * yr - e[3] * yi);
          m[column + 1][lane] = e[0] * xi + e[1] * xr + (e[2] * yi + e[3] * yr);
          m[column + 4][lane] = e[4] * xr - e[5] * xi + (e[6] * yr - e[7] * yi);
          m[column + 5][lane] = e[4] * xi + e[5] * xr + (e[6] * yi + e[7] * yr);
        }
      }
    }
    Vec<R> *parts[8] = {&out.ar, &out.ai, &out.br, &out.bi, &out.cr, &out.ci, &out.dr, &out.di};
    for (int k = 0; k < 8; ++k)
      for (int lane = 0; lane < width<R>; ++lane) (*parts[k])[lane] = R(m[k][L == Layout::wide ? 0 : lane]);
  }

  // False: there is nothing to do.
  bool prepare(const Op &op, Ready<R> &out) {
    out.code = op.code;
    out.q0 = op.q0, out.q1 = op.q1;
    out.active = Mask<R>{};
    bool any = false, every = true;
    for (int lane = 0; lane < width<R>; ++lane) {
      const bool on = trajectories[L == Layout::wide ? 0 : lane].takes_part();
      out.active[lane] = on ? -1 : 0;
      any |= on, every &= on;
    }
    if (op.code == Code::block) return prepare_block(op, out, any, every);
    if (!any) return false;
    if (op.code == Code::cz) out.m.ar = choose<R>(out.active, all<R>(-1), all<R>(1));
    if (op.code == Code::dense) out.dense = &program_.source.dense[op.arg], out.qubits = out.dense->qubits;
    if (op.code == Code::rzz)
      for (int lane = 0; lane < width<R>; ++lane) {
        const Trajectory &one = trajectories[L == Layout::wide ? 0 : lane];
        double s = 0, c = 1;
        if (one.used && one.takes_part()) sine_cosine(0.5 * program_.source.angles.of(op.arg, one.row), s, c);
        out.m.ar[lane] = R(c), out.m.ai[lane] = R(-s);
      }
    return true;
  }

  bool prepare_block(const Op &op, Ready<R> &out, bool any, bool every) {
    const Block &block = program_.blocks[op.arg];
    bool eventful = false;
    if (block.noisy)
      for (Trajectory &lane : trajectories) eventful |= here(lane, op.arg);
    if ((block.nothing && !eventful) || (!any && !eventful)) return false;
    out.diagonal = block.diagonal && !eventful;
    if (block.fixed) put_everywhere(out.m, block.product);
    else quiet(block, out.m);
    if (!eventful && every) return true;
    for (int lane = 0; lane < lanes; ++lane) {
      Trajectory &one = trajectories[lane];
      if (here(one, op.arg)) {
        size_t item = 0;
        bool stopped;
        put(out.m, lane, product(block, op.arg, one, item, stopped));
      }
      if (!one.takes_part()) put(out.m, lane, Matrix2{});
    }
    if (L == Layout::wide) spread(out.m);
    return true;
  }

  void run(std::vector<Ready<R>> &ready, const Segment &segment) {
    if (ready.empty()) return;
    if (high_ <= LOCAL) {
      for (const Ready<R> &one : ready) apply<R, L>(view(), one);
      return;
    }
    std::vector<int> bits;
    for (int qubit : segment.local) bits.push_back(qubit - shift);
    for (int bit = 0; int(bits.size()) < LOCAL; ++bit)
      if (std::find(bits.begin(), bits.end(), bit) == bits.end()) bits.push_back(bit);
    std::sort(bits.begin(), bits.end());
    auto place = [&](int qubit) {
      return qubit < shift ? qubit : int(std::find(bits.begin(), bits.end(), qubit - shift) - bits.begin()) + shift;
    };
    for (Ready<R> &one : ready) {
      if (one.q0 >= 0) one.q0 = place(one.q0);
      if (one.q1 >= 0) one.q1 = place(one.q1);
      for (int &qubit : one.qubits) qubit = place(qubit);
    }
    std::vector<size_t> offset(size_t(1) << LOCAL);
    size_t mask = 0;
    for (int bit : bits) mask |= size_t(1) << bit;
    for (size_t k = 0; k < offset.size(); ++k) {
      offset[k] = 0;
      for (int j = 0; j < LOCAL; ++j)
        if (k >> j & 1) offset[k] |= size_t(1) << bits[j];
    }
    const size_t rest = (size() - 1) & ~mask;
    work_.each(size() >> LOCAL, threads_, [&](size_t outer, int thread) {
      work_.check();
      size_t base = 0, left = rest;  // the bits of `outer` put where `rest` has bits
      for (size_t from = outer; from; from >>= 1, left &= left - 1)
        if (from & 1) base |= left & -left;
      gathered(ready, offset, base, local_[thread]->at);
    });
  }

  void gathered(const std::vector<Ready<R>> &ready, const std::vector<size_t> &offset, size_t base, Amplitude<R> *local) {
    for (size_t k = 0; k < offset.size(); ++k) local[k] = amplitudes_.at[base | offset[k]];
    for (const Ready<R> &one : ready) apply<R, L>(View<R>{local, LOCAL}, one);
    for (size_t k = 0; k < offset.size(); ++k) amplitudes_.at[base | offset[k]] = local[k];
  }

  // One matrix on one qubit of the whole state.
  void apply_alone(Ready<R> &&one) {
    if (L == Layout::wide) spread(one.m);
    if (high_ <= LOCAL) return apply<R, L>(view(), one);
    Segment alone{0, 0, {}};
    if (one.q0 >= shift) alone.local.push_back(one.q0);
    std::vector<Ready<R>> ready;
    ready.push_back(std::move(one));
    run(ready, alone);
  }

  // A block in which damping may act: decided lane by lane from the state as it is then.
  void damped(const Op &op) {
    const Block &block = program_.blocks[op.arg];
    size_t item[width<R>] = {};
    Matrix2 before[width<R>];
    bool more = true;
    while (more) {
      Ready<R> one;
      one.code = Code::block, one.q0 = op.q0;
      one.active = Mask<R>{} - 1;
      put_everywhere(one.m, Matrix2{});
      bool stopped[width<R>] = {};
      more = false;
      for (int lane = 0; lane < lanes; ++lane) {
        Trajectory &own = trajectories[lane];
        if (!own.used) continue;
        const Matrix2 m = product(block, op.arg, own, item[lane], stopped[lane]).after(before[lane]);
        before[lane] = Matrix2{};
        put(one.m, lane, own.takes_part() ? m : Matrix2{});
        more |= stopped[lane];
      }
      apply_alone(std::move(one));
      if (!more) return;
      double ones[width<R>], totals[width<R>];
      weights(op.q0, ones, totals);
      for (int lane = 0; lane < lanes; ++lane) {
        if (!stopped[lane]) continue;
        Trajectory &own = trajectories[lane];
        const double gamma = program_.source.damping[block.items[item[lane]].arg];
        const bool jumps = own.events[own.next++].u * totals[lane] < ones[lane];
        before[lane] = jumps ? Matrix2{0, 1 / std::sqrt(ones[lane]), 0, 0} : Matrix2{1, 0, 0, std::sqrt(1 - gamma)};
        ++item[lane];
      }
    }
  }

  void classical(const Op &op) {
    switch (op.code) {
      case Code::branch:
        for (Trajectory &lane : trajectories) lane.active.push_back(lane.used && lane.takes_part() && holds(op.arg, lane));
        return;
      case Code::otherwise:
        for (Trajectory &lane : trajectories) {
          const bool outside = lane.active.size() < 2 || lane.active[lane.active.size() - 2];
          lane.active.back() = lane.used && outside && !lane.active.back();
        }
        return;
      case Code::end:
        for (Trajectory &lane : trajectories) lane.active.pop_back();
        return;
      default:
        collapse(op);
    }
  }

  bool holds(int index, const Trajectory &lane) const {
    const Condition &condition = program_.source.conditions[index];
    uint64_t value = 0;
    for (size_t at = 0; at < condition.bits.size(); ++at) value |= uint64_t(lane.bits[condition.bits[at]]) << at;
    return std::binary_search(condition.values.begin(), condition.values.end(), value);
  }

  void collapse(const Op &op) {
    double ones[width<R>], totals[width<R>];
    bool any = false;
    for (const Trajectory &lane : trajectories) any |= lane.used && lane.takes_part();
    if (!any) return;
    weights(op.q0, ones, totals);
    Ready<R> one;
    one.code = Code::block, one.q0 = op.q0;
    one.active = Mask<R>{} - 1;
    put_everywhere(one.m, Matrix2{});
    for (int lane = 0; lane < lanes; ++lane) {
      Trajectory &own = trajectories[lane];
      if (!own.used || !own.takes_part()) continue;
      const bool found = own.draws.uniform() * totals[lane] < ones[lane];
      const double norm = 1 / std::sqrt(found ? ones[lane] : totals[lane] - ones[lane]);
      Matrix2 m{0, 0, 0, 0};
      if (op.code == Code::reset) (found ? m.b : m.a) = norm;
      else (found ? m.d : m.a) = norm;
      put(one.m, lane, m);
      if (op.code != Code::measure) continue;
      const double misread = program_.source.readout[2 * op.arg + found];
      own.bits[op.arg] = found != (own.draws.uniform() < misread);
    }
    apply_alone(std::move(one));
  }
};

}  // namespace coldplate
