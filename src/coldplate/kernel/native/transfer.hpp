// Exact noisy states of a few qubits: 4**n values of Pauli strings, gates and noise as real matrices on them.
//
// What a density matrix is, written in the basis of Pauli strings: then all is real, Clifford gates permute, and
// Pauli channels only scale.
#pragma once
#include <array>

#include "shots.hpp"

namespace coldplate {

using Transfer1 = std::array<double, 16>;
using Transfer2 = std::array<double, 256>;

inline Transfer1 transfer_of(const Matrix2 &m) {
  Transfer1 t;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {  // tr(P_i M P_j M^dagger) / 2
      const Matrix2 left = pauli_matrix(i).after(m), right = pauli_matrix(j);
      const Matrix2 adjoint{std::conj(m.a), std::conj(m.c), std::conj(m.b), std::conj(m.d)};
      const Matrix2 whole = left.after(right.after(adjoint));
      t[4 * i + j] = 0.5 * (whole.a + whole.d).real();
    }
  return t;
}

inline Transfer1 after(const Transfer1 &second, const Transfer1 &first) {
  Transfer1 out;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += second[4 * i + k] * first[4 * k + j];
      out[4 * i + j] = sum;
    }
  return out;
}

// Whether two Pauli letters anticommute.
inline bool anticommute(int x, int y) { return x && y && x != y; }

// tr(P_i U P_j U^dagger) / 4 of a gate on two qubits; index = 4 * letter of the second + letter of the first.
inline Transfer2 transfer_of(const std::vector<Complex> &u) {
  auto string = [](int index, int row, int column) {
    const Matrix2 first = pauli_matrix(index & 3), second = pauli_matrix(index >> 2);
    auto entry = [](const Matrix2 &m, int r, int c) { return r ? (c ? m.d : m.c) : (c ? m.b : m.a); };
    return entry(second, row >> 1, column >> 1) * entry(first, row & 1, column & 1);
  };
  Transfer2 t;
  for (int j = 0; j < 16; ++j) {
    Complex moved[16];  // U P_j U^dagger
    for (int r = 0; r < 4; ++r)
      for (int c = 0; c < 4; ++c) {
        Complex sum = 0;
        for (int x = 0; x < 4; ++x)
          for (int y = 0; y < 4; ++y) sum += u[4 * r + x] * string(j, x, y) * std::conj(u[4 * c + y]);
        moved[4 * r + c] = sum;
      }
    for (int i = 0; i < 16; ++i) {
      Complex sum = 0;
      for (int r = 0; r < 4; ++r)
        for (int c = 0; c < 4; ++c) sum += string(i, r, c) * moved[4 * c + r];
      t[16 * i + j] = 0.25 * sum.real();
    }
  }
  return t;
}

// The same program for this kind of state: noise on two qubits stays one operation.
class TransferProgram {
 public:
  struct Step {
    enum Kind : uint8_t { rz, rx, ry, fixed } kind;
    int arg;
    Transfer1 table{};
  };
  struct Op {
    enum Kind : uint8_t { one, two, rzz } kind;
    int q0, q1 = -1, arg = -1;
    std::vector<Step> steps;
    Transfer2 table{};
    bool sparse = false;  // at most one entry a row
  };
  std::vector<Op> ops;
  size_t body = 0;
  std::vector<int> final_qubits, final_bits;

  explicit TransferProgram(const Source &source) : source_(source), pending_(source.num_qubits), where_(source.num_qubits) {
    if (source.num_qubits > 12) throw std::invalid_argument("kernel: at most 12 qubits have an exact noisy state");
    std::iota(where_.begin(), where_.end(), 0);
    for (size_t at = 0; at < source.instructions.size(); at += 4) add(&source.instructions[at]);
    for (size_t at = 0; at < source.finals.size(); at += 2) {
      final_qubits.push_back(where_[source.finals[at]]);
      final_bits.push_back(source.finals[at + 1]);
    }
    body = ops.size();
    for (int qubit = 0; qubit < source.num_qubits; ++qubit) flush(qubit);
  }

  const Source &source() const { return source_; }

 private:
  const Source &source_;
  std::vector<std::vector<Step>> pending_;
  std::vector<int> where_;

  void flush(int qubit) {
    if (pending_[qubit].empty()) return;
    Op op{Op::one, qubit, -1, -1, {}, {}, false};
    for (Step &step : pending_[qubit]) {  // what is known is one matrix
      const bool known = step.kind == Step::fixed;
      if (known && !op.steps.empty() && op.steps.back().kind == Step::fixed)
        op.steps.back().table = after(step.table, op.steps.back().table);
      else op.steps.push_back(step);
    }
    pending_[qubit].clear();
    ops.push_back(std::move(op));
  }

  void fixed(int qubit, const Transfer1 &table) { pending_[qubit].push_back({Step::fixed, -1, table}); }

  void two(int q0, int q1, const Transfer2 &table) {
    flush(q0), flush(q1);
    Op op{Op::two, q0, q1, -1, {}, table, true};
    for (int row = 0; row < 16; ++row) {
      int entries = 0;
      for (int column = 0; column < 16; ++column) {
        if (std::fabs(op.table[16 * row + column]) < 1e-15) op.table[16 * row + column] = 0;
        entries += op.table[16 * row + column] != 0;
      }
      op.sparse &= entries == 1;
    }
    ops.push_back(std::move(op));
  }

  void add(const int32_t *line) {
    const In code = In(line[0]);
    const int arg = line[3], q0 = code == In::dense || code >= In::branch ? -1 : where_[line[1]];
    switch (code) {
      case In::matrix: return fixed(q0, transfer_of(source_.matrices[arg]));
      case In::rz: case In::rx: case In::ry:
        if (source_.angles.fixed(arg)) return fixed(q0, transfer_of(rotation(code, source_.angles.constant[arg])));
        pending_[q0].push_back({code == In::rz ? Step::rz : code == In::rx ? Step::rx : Step::ry, arg, {}});
        return;
      case In::cz: return two(q0, where_[line[2]], transfer_of(std::vector<Complex>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1}));
      case In::cx: return two(q0, where_[line[2]], transfer_of(std::vector<Complex>{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0}));
      case In::swap: std::swap(where_[line[1]], where_[line[2]]); return;
      case In::rzz: {
        const int q1 = where_[line[2]];
        flush(q0), flush(q1);
        ops.push_back({Op::rzz, q0, q1, arg, {}, {}, false});
        return;
      }
      case In::dense: return add_dense(source_.dense[arg]);
      case In::reset: return fixed(q0, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0});
      case In::damp: {
        const double gamma = source_.damping[arg], left = std::sqrt(1 - gamma);
        return fixed(q0, {1, 0, 0, 0, 0, left, 0, 0, 0, 0, left, 0, gamma, 0, 0, 1 - gamma});
      }
      case In::pauli1: {
        Transfer1 table{};
        for (int letter = 0; letter < 4; ++letter) table[5 * letter] = fidelity(source_.paulis[arg], letter, 0);
        return fixed(q0, table);
      }
      case In::pauli2: return add_pauli2(q0, where_[line[2]], source_.paulis[arg]);
      default: throw std::invalid_argument("kernel: measurements inside a circuit need trajectories");
    }
  }

  // What a Pauli channel leaves of a string.
  static double fidelity(const std::vector<double> &table, int first, int second) {
    double lost = 0;
    for (int letter = 1; letter < int(table.size()); ++letter)
      if (anticommute(letter & 3, first) != anticommute(letter >> 2, second)) lost += table[letter];
    return 1 - 2 * lost;
  }

  void add_pauli2(int q0, int q1, const std::vector<double> &table) {
    const bool joins = !ops.empty() && ops.back().kind == Op::two && ops.back().q0 == q0 && ops.back().q1 == q1 &&
                       pending_[q0].empty() && pending_[q1].empty();
    if (!joins) two(q0, q1, identity());
    for (int row = 0; row < 16; ++row) {
      const double left = fidelity(table, row & 3, row >> 2);
      for (int column = 0; column < 16; ++column) ops.back().table[16 * row + column] *= left;
    }
  }

  static Transfer2 identity() {
    Transfer2 table{};
    for (int row = 0; row < 16; ++row) table[17 * row] = 1;
    return table;
  }

  void add_dense(const Dense &dense) {
    std::vector<int> at;
    for (int qubit : dense.qubits) at.push_back(where_[qubit]);
    if (at.size() == 1) {
      fixed(at[0], transfer_of(Matrix2{dense.entries[0], dense.entries[1], dense.entries[2], dense.entries[3]}));
      return;
    }
    if (at.size() != 2) throw std::invalid_argument("kernel: exact noisy states know gates on one or two qubits");
    two(at[0], at[1], transfer_of(dense.entries));
  }
};

// A state of one lane (double) or eight (a vector).
template <class T> class TransferState {
 public:
  static constexpr int lanes = sizeof(T) / sizeof(double);
  TransferState(const TransferProgram &program, int qubits) : program_(program), qubits_(qubits), values_(size_t(1) << (2 * qubits)) {}

  const double *rows[8] = {};  // parameters of each lane
  bool used[8] = {};

  void ground() {
    const size_t size = values_.size;
    for (size_t k = 0; k < size; ++k) {  // strings of I and Z are 1
      const bool diagonal = ((k ^ (k >> 1)) & 0x5555555555555555ULL) == 0;
      values_.at[k] = T{} + (diagonal ? 1.0 : 0.0);
    }
  }
  void copy(const TransferState &other) { std::memcpy(static_cast<void *>(values_.at), other.values_.at, values_.size * sizeof(T)); }

  void advance(size_t from, size_t to, Work &work) {
    for (; from < to; ++from) {
      work.check();
      const TransferProgram::Op &op = program_.ops[from];
      if (op.kind == TransferProgram::Op::one) apply_one(op);
      else if (op.kind == TransferProgram::Op::rzz) apply_rzz(op);
      else if (op.sparse) apply_sparse(op);
      else apply_dense(op);
    }
  }

  // Cumulative probabilities of the measured qubits, one lane after the other in each entry.
  void cumulate(std::vector<double> &out) const {
    const std::vector<int> &measured = program_.final_qubits;
    const size_t size = size_t(1) << measured.size();
    out.assign(size * lanes, 0.0);
    for (size_t set = 0; set < size; ++set) {
      size_t at = 0;
      for (size_t j = 0; j < measured.size(); ++j)
        if (set >> j & 1) at |= size_t(3) << (2 * measured[j]);
      for (int lane = 0; lane < lanes; ++lane) out[set * lanes + lane] = part(values_.at[at], lane);
    }
    for (size_t step = 1; step < size; step *= 2)  // Walsh and Hadamard
      for (size_t base = 0; base < size; base += 2 * step)
        for (size_t k = base * lanes; k < (base + step) * lanes; ++k) {
          const double x = out[k], y = out[k + step * lanes];
          out[k] = x + y, out[k + step * lanes] = x - y;
        }
    for (int lane = 0; lane < lanes; ++lane) {
      double sum = 0;
      for (size_t k = 0; k < size; ++k) out[k * lanes + lane] = sum += std::max(0.0, out[k * lanes + lane]);
    }
  }

 private:
  const TransferProgram &program_;
  int qubits_;
  Buffer<T> values_;

  static double part(const double &value, int) { return value; }
  template <class U> static double part(const U &value, int lane) { return value[lane]; }
  static void put(double &to, int, double value) { to = value; }
  template <class U> static void put(U &to, int lane, double value) { to[lane] = value; }

  void apply_one(const TransferProgram::Op &op) {
    T m[16];
    for (int lane = 0; lane < lanes; ++lane) {
      Transfer1 whole{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
      for (const TransferProgram::Step &step : op.steps) {
        if (step.kind == TransferProgram::Step::fixed) whole = after(step.table, whole);
        else if (used[lane]) {
          const double angle = program_.source().angles.of(step.arg, rows[lane]);
          turn(whole, step.kind, angle);
        }
      }
      for (int k = 0; k < 16; ++k) put(m[k], lane, whole[k]);
    }
    const size_t step = size_t(1) << (2 * op.q0);
    for (size_t base = 0; base < values_.size; base += 4 * step) {
      T *r = values_.at + base;
      for (size_t k = 0; k < step; ++k) {
        const T i = r[k], x = r[k + step], y = r[k + 2 * step], z = r[k + 3 * step];
        r[k] = (m[0] * i + m[1] * x) + (m[2] * y + m[3] * z);
        r[k + step] = (m[4] * i + m[5] * x) + (m[6] * y + m[7] * z);
        r[k + 2 * step] = (m[8] * i + m[9] * x) + (m[10] * y + m[11] * z);
        r[k + 3 * step] = (m[12] * i + m[13] * x) + (m[14] * y + m[15] * z);
      }
    }
  }

  // Rotations about an axis turn the other two letters.
  static void turn(Transfer1 &whole, TransferProgram::Step::Kind kind, double angle) {
    double s, c;
    sine_cosine(angle, s, c);
    const int from = kind == TransferProgram::Step::rz ? 1 : kind == TransferProgram::Step::rx ? 2 : 3;
    const int to = kind == TransferProgram::Step::rz ? 2 : kind == TransferProgram::Step::rx ? 3 : 1;
    for (int column = 0; column < 4; ++column) {
      const double x = whole[4 * from + column], y = whole[4 * to + column];
      whole[4 * from + column] = c * x - s * y;
      whole[4 * to + column] = s * x + c * y;
    }
  }

  // body(place of the string II on the two qubits) for all others
  template <class F> void everywhere(int q0, int q1, F &&body) {
    const int low = std::min(q0, q1), high = std::max(q0, q1);
    const size_t a = size_t(1) << (2 * low), b = size_t(1) << (2 * high);
    for (size_t outer = 0; outer < values_.size; outer += 4 * b)
      for (size_t middle = outer; middle < outer + b; middle += 4 * a)
        for (size_t k = middle; k < middle + a; ++k) body(k);
  }

  void apply_sparse(const TransferProgram::Op &op) {
    size_t offset[16];
    int from[16] = {};
    double sign[16] = {};  // 0 where noise leaves nothing of a row
    for (int row = 0; row < 16; ++row) {
      offset[row] = size_t(row & 3) << (2 * op.q0) | size_t(row >> 2) << (2 * op.q1);
      for (int column = 0; column < 16; ++column)
        if (op.table[16 * row + column] != 0) from[row] = column, sign[row] = op.table[16 * row + column];
    }
    everywhere(op.q0, op.q1, [&](size_t k) {
      T old[16];
      for (int row = 0; row < 16; ++row) old[row] = values_.at[k + offset[row]];
      for (int row = 0; row < 16; ++row) values_.at[k + offset[row]] = old[from[row]] * sign[row];
    });
  }

  void apply_dense(const TransferProgram::Op &op) {
    size_t offset[16];
    for (int row = 0; row < 16; ++row) offset[row] = size_t(row & 3) << (2 * op.q0) | size_t(row >> 2) << (2 * op.q1);
    everywhere(op.q0, op.q1, [&](size_t k) {
      T old[16];
      for (int row = 0; row < 16; ++row) old[row] = values_.at[k + offset[row]];
      for (int row = 0; row < 16; ++row) {
        T sum{};
        for (int column = 0; column < 16; ++column) sum += old[column] * op.table[16 * row + column];
        values_.at[k + offset[row]] = sum;
      }
    });
  }

  // Strings that don't commute with ZZ turn in pairs: XI and YZ, XZ and YI, and the same the other way round.
  void apply_rzz(const TransferProgram::Op &op) {
    T cosine{}, sine{};
    for (int lane = 0; lane < lanes; ++lane) {
      double s = 0, c = 1;
      if (used[lane]) sine_cosine(program_.source().angles.of(op.arg, rows[lane]), s, c);
      put(cosine, lane, c), put(sine, lane, s);
    }
    const size_t a = size_t(1) << (2 * op.q0), b = size_t(1) << (2 * op.q1);
    const size_t pairs[4][2] = {{a, 2 * a + 3 * b}, {a + 3 * b, 2 * a}, {b, 2 * b + 3 * a}, {b + 3 * a, 2 * b}};
    everywhere(op.q0, op.q1, [&](size_t k) {
      for (const auto &pair : pairs) {
        T &x = values_.at[k + pair[0]], &y = values_.at[k + pair[1]];
        const T old = x;
        x = cosine * old - sine * y;
        y = cosine * y + sine * old;
      }
    });
  }
};

// All shots of all elements, from exact distributions.
template <class T> class TransferRunner {
 public:
  TransferRunner(const Program &program, const TransferProgram &transfer, const Elements &elements, uint64_t seed, Work &work, uint64_t *out)
      : program_(program), transfer_(transfer), elements_(elements), seed_(seed), work_(work), writer_(program, seed, elements, out) {
    expand_.resize(size_t(1) << transfer.final_qubits.size());
    for (size_t k = 0; k < expand_.size(); ++k)
      for (size_t j = 0; j < transfer.final_qubits.size(); ++j)
        if (k >> j & 1) expand_[k] |= uint64_t(1) << program.final_qubits[j];
  }

  void run(const std::vector<std::vector<size_t>> &groups, int threads) {
    constexpr int lanes = TransferState<T>::lanes;
    const Shares shares = shared_out(groups, size_t(lanes) * threads);
    std::vector<std::unique_ptr<TransferState<T>>> states(size_t(threads) * 2);
    work_.each((shares.size() + lanes - 1) / lanes, threads, [&](size_t batch, int thread) {
      auto own = [&](int which) -> TransferState<T> & {
        auto &one = states[size_t(thread) * 2 + which];
        if (!one) one.reset(new TransferState<T>(transfer_, program_.source.num_qubits));
        return *one;
      };
      const size_t first = batch * lanes;
      this->batch(shares, first, std::min<size_t>(lanes, shares.size() - first), own);
    });
  }

 private:
  const Program &program_;
  const TransferProgram &transfer_;
  const Elements &elements_;
  uint64_t seed_;
  Work &work_;
  Writer writer_;
  std::vector<uint64_t> expand_;

  template <class Own> void batch(const std::vector<std::vector<size_t>> &shares, size_t first, size_t count, Own &own) {
    constexpr int lanes = TransferState<T>::lanes;
    size_t rounds = 0;
    for (size_t lane = 0; lane < count; ++lane) rounds = std::max(rounds, shares[first + lane].size());
    TransferState<T> &state = own(0), &last = rounds > 1 ? own(1) : state;
    for (int lane = 0; lane < lanes; ++lane) {
      state.used[lane] = size_t(lane) < count;
      if (state.used[lane]) state.rows[lane] = elements_.values(shares[first + lane][0]);
    }
    state.ground();
    state.advance(0, transfer_.body, work_);
    std::vector<double> cumulative;
    for (size_t round = 0; round < rounds; ++round) {
      if (&last != &state) last.copy(state);
      for (size_t lane = 0; lane < size_t(lanes); ++lane) {
        last.used[lane] = lane < count && round < shares[first + lane].size();
        if (last.used[lane]) last.rows[lane] = elements_.values(shares[first + lane][round]);
      }
      last.advance(transfer_.body, transfer_.ops.size(), work_);
      last.cumulate(cumulative);
      for (size_t lane = 0; lane < count; ++lane)
        if (last.used[lane]) sample(cumulative.data() + lane, lanes, shares[first + lane][round]);
    }
  }

  void sample(const double *cumulative, size_t stride, size_t element) {
    Guide guide;
    guide.build(cumulative, expand_.size(), stride);
    const Streams outcome(seed_, element, Purpose::outcome);
    for (size_t shot = 0; shot < elements_.shots[element]; ++shot) {
      writer_.write(element, shot, expand_[guide.draw(outcome.shot(shot).uniform())]);
      if (shot % 4096 == 0) work_.check();
    }
  }
};

}  // namespace coldplate
