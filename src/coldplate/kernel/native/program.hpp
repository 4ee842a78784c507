// A circuit as an array program: one-qubit gates and noise merged into blocks, blocks and larger gates in order.
#pragma once
#include <algorithm>
#include <complex>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "lanes.hpp"

namespace coldplate {

using Complex = std::complex<double>;

// What Python writes, four numbers a line: code, q0, q1, argument.
enum class In : int32_t {
  matrix = 0, rz = 1, rx = 2, ry = 3, cz = 4, cx = 5, swap = 6, rzz = 7, dense = 8, pauli1 = 9, pauli2 = 10,
  damp = 11, reset = 12, measure = 13, branch = 14, otherwise = 15, end = 16
};

// Angles as functions of a row of parameters: constant + sum of slope * column.
struct Angles {
  std::vector<double> constant, slope;
  std::vector<int32_t> start, column;

  bool fixed(int index) const { return start[index] == start[index + 1]; }
  double of(int index, const double *row) const {
    double sum = constant[index];
    for (int32_t at = start[index]; at < start[index + 1]; ++at) sum += slope[at] * row[column[at]];
    return sum;
  }
};

struct Matrix2 {
  Complex a = 1, b = 0, c = 0, d = 1;  // row by row
  Matrix2 after(const Matrix2 &first) const {
    return {a * first.a + b * first.c, a * first.b + b * first.d, c * first.a + d * first.c, c * first.b + d * first.d};
  }
};

inline Matrix2 rotation(In axis, double angle) {
  double s, c;
  if (axis == In::rz) {  // up to a phase
    sine_cosine(angle, s, c);
    return {1, 0, 0, {c, s}};
  }
  sine_cosine(0.5 * angle, s, c);
  return axis == In::rx ? Matrix2{c, {0, -s}, {0, -s}, c} : Matrix2{c, -s, s, c};
}

inline Matrix2 pauli_matrix(int letter) {
  if (letter == 1) return {0, 1, 1, 0};
  if (letter == 2) return {0, {0, -1}, {0, 1}, 0};
  return letter == 3 ? Matrix2{1, 0, 0, -1} : Matrix2{};
}

enum class Kind : uint8_t { matrix, rz, rx, ry, pauli, damp, reset };

struct Item {
  Kind kind;
  int arg;            // of matrices, angles, damping
  int location = -1;  // where noise may act
};

struct Block {
  int qubit;
  std::vector<Item> items;
  bool diagonal = true, fixed = true, noisy = false, nothing = true;
  Matrix2 product;  // of fixed blocks, without events
};

enum class Code : uint8_t { block, cz, cx, rzz, dense, reset, measure, branch, otherwise, end };

struct Op {
  Code code;
  int q0 = -1, q1 = -1, arg = -1, arg2 = -1;
};

struct Dense {
  std::vector<int> qubits;  // the least significant first
  std::vector<Complex> entries;
};

struct Place {
  int block = -1, item = -1;
};

// Where noise may act: a Pauli on one or two qubits, or damping (then `probability` is gamma).
struct Location {
  double probability;
  int table;  // of Pauli probabilities; -1: damping
  Place places[2];
  int op = 0;  // the earliest it changes
};

struct Condition {
  std::vector<int> bits;
  std::vector<uint64_t> values;  // it holds for these, ascending
};

struct Segment {
  int first, last;
  std::vector<int> local;  // qubits that its operations touch; empty: not to be gathered
};

// The circuit as it is given; all of it is checked before it is used.
struct Source {
  int num_qubits = 0, num_clbits = 0, num_columns = 0;
  std::vector<int32_t> instructions;  // four a line
  Angles angles;
  std::vector<Matrix2> matrices;
  std::vector<Dense> dense;
  std::vector<std::vector<double>> paulis;  // 4 or 16 probabilities
  std::vector<double> damping;
  std::vector<Condition> conditions;
  std::vector<int32_t> finals;     // qubit, bit
  std::vector<double> readout;     // per bit: to read 1 for 0, 0 for 1
};

class Program {
 public:
  explicit Program(Source given) : source(std::move(given)) {
    check();
    build();
    arrange();
    place_noise();
  }

  Source source;
  std::vector<Block> blocks;
  std::vector<Op> ops;
  std::vector<Location> locations;
  std::vector<int> block_op;  // where each block stands
  int body = 0;               // the first of the last blocks of qubits, which nothing follows
  int first_dynamic = -1;     // the first operation that is random by itself, or asks for bits of a shot; -1: none
  bool dynamic = false;
  std::vector<int> final_qubits, final_bits;

  int num_words() const { return std::max(1, (source.num_clbits + 63) / 64); }

  // Columns that operations before the last blocks depend on.
  std::vector<int32_t> body_columns() const {
    std::vector<bool> used(source.num_columns, false);
    auto mark = [&](int angle) {
      for (int32_t at = source.angles.start[angle]; at < source.angles.start[angle + 1]; ++at)
        used[source.angles.column[at]] = true;
    };
    for (int at = 0; at < body; ++at) {
      if (ops[at].code == Code::rzz) mark(ops[at].arg);
      if (ops[at].code == Code::block)
        for (const Item &item : blocks[ops[at].arg].items)
          if (item.kind == Kind::rz || item.kind == Kind::rx || item.kind == Kind::ry) mark(item.arg);
    }
    std::vector<int32_t> found;
    for (int column = 0; column < source.num_columns; ++column)
      if (used[column]) found.push_back(column);
    return found;
  }

  // Operations in runs that touch few qubits, so that a run can work on a part of the state that fits a cache.
  std::vector<Segment> segments(int most, int always) const;

 private:
  std::vector<std::vector<Item>> pending_;
  std::vector<int> where_;  // of each qubit, as swaps have left it

  [[noreturn]] static void wrong(const std::string &what) { throw std::invalid_argument("kernel: " + what); }
  void check() const;
  void check_instruction(const int32_t *line, int &depth) const;
  void build();
  void add(const int32_t *line);
  void add_gate(In code, int q0, int q1, int arg);
  void add_noise(In code, int q0, int q1, int arg);
  void flush(int qubit);
  void flush_all() {
    for (int qubit = 0; qubit < source.num_qubits; ++qubit) flush(qubit);
  }
  void finish(Block &block) const;
  void arrange();
  void place_noise();
};

inline void Program::check() const {
  const Source &s = source;
  if (s.num_qubits < 1 || s.num_qubits > 40) wrong("from 1 to 40 qubits");
  if (s.num_clbits < 0 || s.num_columns < 0) wrong("sizes are not negative");
  const size_t angles = s.angles.constant.size();
  if (s.angles.start.size() != angles + 1 || s.angles.start[0] != 0) wrong("angles don't fit their rows");
  for (size_t at = 0; at < angles; ++at)
    if (s.angles.start[at] > s.angles.start[at + 1]) wrong("rows of angles overlap");
  for (const auto *numbers : {&s.angles.constant, &s.angles.slope})
    for (double number : *numbers)
      if (!std::isfinite(number)) wrong("angles are finite");
  if (size_t(s.angles.start[angles]) != s.angles.column.size() || s.angles.column.size() != s.angles.slope.size())
    wrong("angles don't fit their columns");
  for (int32_t column : s.angles.column)
    if (column < 0 || column >= s.num_columns) wrong("an angle has an unknown column");
  for (const Dense &one : s.dense) {
    if (one.qubits.empty() || one.qubits.size() > 6) wrong("matrices have from 1 to 6 qubits");
    if (one.entries.size() != size_t(1) << (2 * one.qubits.size())) wrong("a matrix doesn't fit its qubits");
    std::vector<int> sorted = one.qubits;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() || sorted.front() < 0 ||
        sorted.back() >= s.num_qubits)
      wrong("a matrix has unknown qubits");
  }
  for (const auto &table : s.paulis)
    for (double p : table)
      if (!(p >= 0 && p <= 1 + 1e-9)) wrong("probabilities are from 0 to 1");
  for (double gamma : s.damping)
    if (!(gamma >= 0 && gamma <= 1)) wrong("damping is from 0 to 1");
  for (const Condition &one : s.conditions) {
    if (one.bits.size() > 64 || !std::is_sorted(one.values.begin(), one.values.end())) wrong("a condition is malformed");
    for (int bit : one.bits)
      if (bit < 0 || bit >= s.num_clbits) wrong("a condition has an unknown bit");
  }
  if (s.readout.size() != 2 * size_t(s.num_clbits)) wrong("readout doesn't fit the bits");
  if (s.instructions.size() % 4 || s.finals.size() % 2) wrong("instructions are four numbers, measurements two");
  int depth = 0;
  for (size_t at = 0; at < s.instructions.size(); at += 4) check_instruction(&s.instructions[at], depth);
  if (depth) wrong("a branch doesn't end");
  std::vector<bool> seen(s.num_qubits, false);
  for (size_t at = 0; at < s.finals.size(); at += 2) {
    const int qubit = s.finals[at], bit = s.finals[at + 1];
    if (qubit < 0 || qubit >= s.num_qubits || seen[qubit]) wrong("a measured qubit is unknown or measured twice");
    if (bit < 0 || bit >= s.num_clbits) wrong("a measured bit is unknown");
    seen[qubit] = true;
  }
}

inline void Program::check_instruction(const int32_t *line, int &depth) const {
  const Source &s = source;
  const In code = In(line[0]);
  const int q0 = line[1], q1 = line[2], arg = line[3];
  auto within = [](int value, size_t size) { return value >= 0 && size_t(value) < size; };
  const size_t n = size_t(s.num_qubits);
  bool fine = true;
  switch (code) {
    case In::matrix: fine = within(q0, n) && within(arg, s.matrices.size()); break;
    case In::rz: case In::rx: case In::ry: fine = within(q0, n) && within(arg, s.angles.constant.size()); break;
    case In::cz: case In::cx: case In::swap: fine = within(q0, n) && within(q1, n) && q0 != q1; break;
    case In::rzz: fine = within(q0, n) && within(q1, n) && q0 != q1 && within(arg, s.angles.constant.size()); break;
    case In::dense: fine = within(arg, s.dense.size()); break;
    case In::pauli1: fine = within(q0, n) && within(arg, s.paulis.size()) && s.paulis[arg].size() == 4; break;
    case In::pauli2:
      fine = within(q0, n) && within(q1, n) && q0 != q1 && within(arg, s.paulis.size()) && s.paulis[arg].size() == 16;
      break;
    case In::damp: fine = within(q0, n) && within(arg, s.damping.size()); break;
    case In::reset: fine = within(q0, n); break;
    case In::measure: fine = within(q0, n) && within(q1, size_t(s.num_clbits)); break;
    case In::branch: fine = within(arg, s.conditions.size()); ++depth; break;
    case In::otherwise: fine = depth > 0; break;
    case In::end: fine = --depth >= 0; break;
    default: fine = false;
  }
  if (!fine) wrong("instruction " + std::to_string(line[0]) + " is malformed");
}

inline void Program::build() {
  pending_.assign(source.num_qubits, {});
  where_.resize(source.num_qubits);
  for (int qubit = 0; qubit < source.num_qubits; ++qubit) where_[qubit] = qubit;
  for (size_t at = 0; at < source.instructions.size(); at += 4) add(&source.instructions[at]);
  for (size_t at = 0; at < source.finals.size(); at += 2) {
    final_qubits.push_back(where_[source.finals[at]]);
    final_bits.push_back(source.finals[at + 1]);
  }
  body = int(ops.size());
  flush_all();
  pending_.clear();
}

inline void Program::add(const int32_t *line) {
  const In code = In(line[0]);
  const int arg = line[3];
  const int q0 = code == In::dense || code >= In::branch ? -1 : where_[line[1]];
  switch (code) {
    case In::pauli1: case In::pauli2: case In::damp:
      add_noise(code, q0, code == In::pauli2 ? where_[line[2]] : -1, arg);
      break;
    case In::measure:
      flush(q0);
      ops.push_back({Code::measure, q0, -1, line[2], -1});
      dynamic = true;
      break;
    case In::reset:
      flush(q0);
      ops.push_back({Code::reset, q0});
      dynamic = true;
      break;
    case In::branch: case In::otherwise: case In::end:
      flush_all();
      ops.push_back({code == In::branch ? Code::branch : code == In::end ? Code::end : Code::otherwise, -1, -1, arg});
      dynamic = true;
      break;
    case In::swap:
      std::swap(where_[line[1]], where_[line[2]]);
      break;
    default:
      add_gate(code, q0, code == In::cz || code == In::cx || code == In::rzz ? where_[line[2]] : -1, arg);
  }
}

inline void Program::add_gate(In code, int q0, int q1, int arg) {
  switch (code) {
    case In::matrix: pending_[q0].push_back({Kind::matrix, arg}); return;
    case In::rz: pending_[q0].push_back({Kind::rz, arg}); return;
    case In::rx: pending_[q0].push_back({Kind::rx, arg}); return;
    case In::ry: pending_[q0].push_back({Kind::ry, arg}); return;
    default: break;
  }
  if (code == In::dense) {
    Dense moved = source.dense[arg];
    for (int &qubit : moved.qubits) flush(qubit = where_[qubit]);
    source.dense.push_back(moved);
    ops.push_back({Code::dense, -1, -1, int(source.dense.size()) - 1});
    return;
  }
  flush(q0);
  flush(q1);
  ops.push_back({code == In::cz ? Code::cz : code == In::cx ? Code::cx : Code::rzz, q0, q1, arg});
}

inline void Program::add_noise(In code, int q0, int q1, int arg) {
  const int index = int(locations.size());
  if (code == In::damp) {
    if (source.damping[arg] == 0) return;
    pending_[q0].push_back({Kind::damp, arg, index});
    locations.push_back({source.damping[arg], -1, {}});
    return;
  }
  double sum = 0;
  for (size_t letter = 1; letter < source.paulis[arg].size(); ++letter) sum += source.paulis[arg][letter];
  if (sum == 0) return;
  pending_[q0].push_back({Kind::pauli, 0, index});
  if (code == In::pauli2) pending_[q1].push_back({Kind::pauli, 1, index});
  locations.push_back({std::min(1.0, sum), arg, {}});
}

inline void Program::flush(int qubit) {
  if (pending_[qubit].empty()) return;
  Block block;
  block.qubit = qubit;
  block.items.swap(pending_[qubit]);
  finish(block);
  ops.push_back({Code::block, qubit, -1, int(blocks.size())});
  blocks.push_back(std::move(block));
}

// Multiplies what is known already, and notes what the block is.
inline void Program::finish(Block &block) const {
  Source &s = const_cast<Source &>(source);  // matrices that are products are kept beside the given ones
  std::vector<Item> merged;
  bool open = false;  // the last merged item is a product that may grow
  Matrix2 product;
  auto close = [&] {
    if (open) s.matrices.push_back(product), merged.push_back({Kind::matrix, int(s.matrices.size()) - 1});
    open = false;
  };
  for (const Item &item : block.items) {
    const bool turns = item.kind == Kind::rz || item.kind == Kind::rx || item.kind == Kind::ry;
    if (item.kind == Kind::matrix || (turns && s.angles.fixed(item.arg))) {
      const In axis = item.kind == Kind::rz ? In::rz : item.kind == Kind::rx ? In::rx : In::ry;
      const Matrix2 next = turns ? rotation(axis, s.angles.constant[item.arg]) : s.matrices[item.arg];
      product = open ? next.after(product) : next;
      open = true;
      continue;
    }
    close();
    merged.push_back(item);
  }
  close();
  for (const Item &item : merged) {
    block.noisy |= item.location >= 0;
    block.fixed &= item.kind == Kind::matrix || item.kind == Kind::pauli || item.kind == Kind::damp;
    block.nothing &= item.kind == Kind::pauli;
    if (item.kind == Kind::matrix) {
      const Matrix2 &m = s.matrices[item.arg];
      block.diagonal &= m.b == 0.0 && m.c == 0.0;
      block.product = m.after(block.product);
    } else if (item.kind == Kind::damp) {
      block.product = Matrix2{1, 0, 0, std::sqrt(1 - s.damping[item.arg])}.after(block.product);
    } else {
      block.diagonal &= item.kind == Kind::rz || item.kind == Kind::pauli;
    }
  }
  block.items = std::move(merged);
}

// Puts operations that touch few qubits next to each other, where their qubits allow it.
inline void Program::arrange() {
  constexpr int most = 12;
  if (source.num_qubits > most && !dynamic) {
    std::vector<Op> rest(ops.begin(), ops.begin() + body), order;
    while (!rest.empty()) {
      std::vector<bool> in(source.num_qubits, false), blocked(source.num_qubits, false);
      int inside = 0;
      std::vector<Op> later;
      for (const Op &op : rest) {
        std::vector<int> qubits = op.code == Code::dense ? source.dense[op.arg].qubits
                                  : op.q1 < 0            ? std::vector<int>{op.q0}
                                                         : std::vector<int>{op.q0, op.q1};
        int fresh = 0;
        bool free = true;
        for (int qubit : qubits) fresh += !in[qubit], free &= !blocked[qubit];
        if (free && inside + fresh <= most) {
          for (int qubit : qubits) in[qubit] = true;
          inside += fresh;
          order.push_back(op);
        } else {
          for (int qubit : qubits) blocked[qubit] = true;
          later.push_back(op);
        }
      }
      rest.swap(later);
    }
    std::copy(order.begin(), order.end(), ops.begin());
  }
  block_op.assign(blocks.size(), -1);
  for (size_t at = 0; at < ops.size(); ++at) {
    if (ops[at].code == Code::block) block_op[ops[at].arg] = int(at);
    if (first_dynamic < 0 && ops[at].code >= Code::reset) first_dynamic = int(at);
  }
}

inline void Program::place_noise() {
  for (Location &one : locations) one.op = int(ops.size());
  for (size_t at = 0; at < blocks.size(); ++at)
    for (size_t item = 0; item < blocks[at].items.size(); ++item) {
      const Item &one = blocks[at].items[item];
      if (one.location < 0) continue;
      Location &location = locations[one.location];
      location.places[one.kind == Kind::pauli ? one.arg : 0] = {int(at), int(item)};
      location.op = std::min(location.op, block_op[at]);
    }
  std::stable_sort(locations.begin(), locations.end(), [](const Location &x, const Location &y) { return x.op < y.op; });
  for (size_t at = 0; at < locations.size(); ++at)
    for (const Place &place : locations[at].places)
      if (place.block >= 0) blocks[place.block].items[place.item].location = int(at);
}

inline std::vector<Segment> Program::segments(int most, int always) const {
  std::vector<Segment> found;
  std::vector<bool> in(source.num_qubits, false);
  int inside = 0;
  for (int at = 0; at < int(ops.size()); ++at) {
    const Op &op = ops[at];
    const bool alone = op.code != Code::block && op.code != Code::cz && op.code != Code::cx && op.code != Code::rzz &&
                       op.code != Code::dense;
    std::vector<int> qubits;
    if (op.code == Code::dense) qubits = source.dense[op.arg].qubits;
    else if (op.q0 >= 0) qubits.push_back(op.q0);
    if (op.code != Code::dense && op.q1 >= 0) qubits.push_back(op.q1);
    int fresh = 0;
    for (int qubit : qubits) fresh += qubit >= always && !in[qubit];
    const bool fits = !found.empty() && found.back().last == at && !alone && inside + fresh <= most && at != body;
    if (!fits) {
      found.push_back({at, at, {}});
      std::fill(in.begin(), in.end(), false);
      inside = 0;
    }
    for (int qubit : qubits)
      if (qubit >= always && !in[qubit]) in[qubit] = true, ++inside, found.back().local.push_back(qubit);
    found.back().last = at + 1;
    if (alone) inside = most + 1;  // nothing joins it
  }
  return found;
}

}  // namespace coldplate
