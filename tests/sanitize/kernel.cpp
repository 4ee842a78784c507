// Drives the kernel without Python, for the sanitizers: random programs through every engine, then the same with
// numbers changed at random, which it must refuse or run. Arguments: seed, number of programs.
#include <cstdio>
#include <cstdlib>
#include <random>

#include "bits.hpp"
#include "run.hpp"
#include "transfer.hpp"

using namespace coldplate;

static std::mt19937_64 rng;

static int below(int most) { return most <= 0 ? 0 : int(rng() % uint64_t(most)); }
static double unit() { return double(rng() >> 11) * 0x1.0p-53; }

[[noreturn]] static void fail(const char *what) {
  std::fprintf(stderr, "kernel driver: %s\n", what);
  std::exit(1);
}

struct Writing {
  Source s;
  int depth = 0;

  void line(In code, int a = -1, int b = -1, int arg = -1) {
    for (int value : {int(code), a, b, arg}) s.instructions.push_back(value);
  }
  int angle() {
    s.angles.constant.push_back(4 * unit() - 2 + (below(20) ? 0 : 1e7 * unit()));
    for (int left = below(3); left && s.num_columns; --left) {
      s.angles.column.push_back(below(s.num_columns));
      s.angles.slope.push_back(2 * unit() - 1);
    }
    s.angles.start.push_back(int32_t(s.angles.column.size()));
    return int(s.angles.constant.size()) - 1;
  }
  int channel(int size) {
    std::vector<double> table(size);
    const int kind = below(4);  // none, certain, everything alike, anything
    double sum = 0;
    for (int letter = 1; letter < size; ++letter) sum += table[letter] = kind == 0 ? 0 : kind == 2 ? 1.0 / size : unit();
    for (int letter = 1; letter < size; ++letter)
      if (kind == 1 || kind == 3) table[letter] *= (kind == 1 ? 1 : unit()) / sum;
    sum = 0;
    for (int letter = 1; letter < size; ++letter) sum += table[letter];
    table[0] = std::max(0.0, 1 - sum);
    s.paulis.push_back(table);
    return int(s.paulis.size()) - 1;
  }
  int dense(int qubits) {
    Dense one;
    std::vector<int> all(s.num_qubits);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), rng);
    one.qubits.assign(all.begin(), all.begin() + qubits);
    const int dim = 1 << qubits;
    one.entries.assign(size_t(dim) * dim, 0);
    const int shift = below(dim);
    for (int row = 0; row < dim; ++row) one.entries[size_t(row) * dim + ((row + shift) % dim)] = std::polar(1.0, unit());
    s.dense.push_back(one);
    return int(s.dense.size()) - 1;
  }
};

static Source random_source(int qubits, int length, bool dynamic, int widest) {
  Writing w;
  w.s.num_qubits = qubits, w.s.num_clbits = qubits + below(3) * 40, w.s.num_columns = below(4);
  w.s.angles.start.push_back(0);
  w.s.matrices.push_back({0, 1, 1, 0});
  w.s.matrices.push_back({std::sqrt(0.5), std::sqrt(0.5), std::sqrt(0.5), -std::sqrt(0.5)});
  for (int at = 0; at < 2; ++at) w.s.damping.push_back(at ? 1.0 : 0.3 * unit());
  for (int at = 0; at < length; ++at) {
    const int a = below(qubits), b = qubits > 1 ? (a + 1 + below(qubits - 1)) % qubits : a;
    const In code = In(below(dynamic ? 17 : 13));
    switch (code) {
      case In::matrix: w.line(code, a, -1, below(2)); break;
      case In::rz: case In::rx: case In::ry: w.line(code, a, -1, w.angle()); break;
      case In::cz: case In::cx: case In::swap:
        if (a != b) w.line(code, a, b);
        break;
      case In::rzz:
        if (a != b) w.line(code, a, b, w.angle());
        break;
      case In::dense: w.line(code, -1, -1, w.dense(1 + below(std::min(qubits, widest)))); break;
      case In::pauli1: w.line(code, a, -1, w.channel(4)); break;
      case In::pauli2:
        if (a != b) w.line(code, a, b, w.channel(16));
        break;
      case In::damp: w.line(code, a, -1, below(2)); break;
      case In::reset: w.line(code, a); break;
      case In::measure: w.line(code, a, below(w.s.num_clbits)); break;
      case In::branch: {
        Condition one;
        for (int left = below(3); left; --left) one.bits.push_back(below(w.s.num_clbits));
        for (uint64_t value = 0; value < 4; ++value)
          if (below(2)) one.values.push_back(value);
        w.s.conditions.push_back(one);
        w.line(code, -1, -1, int(w.s.conditions.size()) - 1);
        ++w.depth;
        break;
      }
      case In::otherwise:
        if (w.depth) w.line(code);
        break;
      case In::end:
        if (w.depth) w.line(code), --w.depth;
        break;
    }
  }
  for (; w.depth; --w.depth) w.line(In::end);
  for (int qubit = 0; qubit < qubits; ++qubit)
    if (below(8)) w.s.finals.push_back(qubit), w.s.finals.push_back(w.s.num_clbits - 1 - qubit);
  w.s.readout.assign(2 * size_t(w.s.num_clbits), 0.0);
  for (double &p : w.s.readout)
    if (!below(3)) p = 0.2 * unit();
  return w.s;
}

// A program's request: some elements in groups, and where their shots go.
struct Asked {
  std::vector<double> params;
  Elements elements;
  std::vector<std::vector<size_t>> groups;
  std::vector<uint64_t> out;

  Asked(const Program &program, int shots) {
    const size_t columns = size_t(program.source.num_columns), rows = 1 + size_t(below(20));
    for (size_t at = 0; at < columns * rows; ++at) params.push_back(6 * unit() - 3);
    // rows of a group agree in what operations before the last depend on
    const std::vector<int32_t> body = program.body_columns();
    const size_t group = 1 + size_t(below(3));
    for (size_t row = 0; row < rows; ++row)
      for (int32_t column : body) params[row * columns + size_t(column)] = params[row % group * columns + size_t(column)];
    elements.params = params.data(), elements.columns = columns;
    size_t total = 0;
    groups.resize(std::min(group, rows));
    for (size_t row = 0; row < rows; ++row) {
      elements.row.push_back(row);
      elements.shots.push_back(size_t(below(shots)));
      elements.offset.push_back(total);
      total += elements.shots.back();
      groups[row % group].push_back(row);
    }
    out.assign(total * size_t(program.num_words()), ~uint64_t(0));
  }
};

static const std::atomic<bool> never{false};

template <class R, Layout L> static std::vector<uint64_t> run(const Program &program, Asked &asked, int threads) {
  Work work(never, [] {});
  Runner<R, L>(program, asked.elements, asked.groups, {7, threads, 1e9}, work, asked.out.data()).run();
  return asked.out;
}

template <class T> static std::vector<uint64_t> exact(const Program &program, Asked &asked, int threads) {
  Work work(never, [] {});
  const TransferProgram transfer(program.source);
  TransferRunner<T>(program, transfer, asked.elements, 7, work, asked.out.data()).run(asked.groups, threads);
  return asked.out;
}

static void every_engine(const Source &source, int shots) {
  const Program program(source);
  Survival(program).quiet();
  Asked asked(program, shots);
  const int qubits = source.num_qubits;
  const auto first = run<double, Layout::batch>(program, asked, 1);
  if (first != run<double, Layout::batch>(program, asked, 3)) fail("threads change bits");
  run<float, Layout::batch>(program, asked, 2);
  if (qubits >= 12) {
    run<double, Layout::wide>(program, asked, 2);
    run<float, Layout::wide>(program, asked, 1);
  }
  if (qubits > 6) return;
  try {
    const auto one = exact<double>(program, asked, 1);
    if (one != exact<double>(program, asked, 2)) fail("threads change bits of exact states");
    exact<Vec<double>>(program, asked, 2);
  } catch (const std::invalid_argument &) {  // feedback, and large matrices
  }
}

// Changes numbers of a program at random.
static void spoil(Source &s) {
  auto number = [] { return below(3) ? below(60) - 20 : int32_t(rng()); };
  auto change = [&](auto &list) {
    if (!list.empty()) list[size_t(below(int(list.size())))] = number();
  };
  for (int left = 1 + below(3); left; --left) switch (below(14)) {
      case 0: case 1: case 2: case 3: change(s.instructions); break;
      case 4: change(s.angles.start); break;
      case 5: change(s.angles.column); break;
      case 6: change(s.finals); break;
      case 7: if (!s.dense.empty()) change(s.dense[size_t(below(int(s.dense.size())))].qubits); break;
      case 8: if (!s.paulis.empty()) s.paulis[0].resize(size_t(below(20)), 0.1); break;
      case 9: if (!s.conditions.empty()) change(s.conditions[0].bits); break;
      case 10: s.readout.resize(size_t(below(100)), 0.1); break;
      case 11: s.num_columns = below(3); break;
      case 12: s.num_clbits = number(); break;
      default: if (!s.angles.constant.empty()) s.angles.constant[0] = below(2) ? NAN : INFINITY;
    }
}

static void bits() {
  const size_t shots = size_t(below(50)), words = 1 + size_t(below(3)), row_bytes = 1 + size_t(below(30));
  std::vector<uint64_t> table(shots * words);
  for (uint64_t &word : table) word = rng();
  std::vector<Move> moves;
  for (int left = below(80); left; --left) moves.push_back({below(int(64 * words)), below(int(8 * row_bytes))});
  std::vector<uint8_t> rows(shots * row_bytes, 0);
  place_bits(table.data(), shots, words, moves, rows.data(), row_bytes);
  for (size_t shot = 0; shot < shots; ++shot)
    for (const Move &move : moves)
      if ((table[shot * words + size_t(move.from / 64)] >> (move.from % 64) & 1) && !(rows[shot * row_bytes + size_t(move.to / 8)] >> (move.to % 8) & 1))
        fail("a bit is lost");
  const size_t masks = size_t(below(5));
  std::vector<uint64_t> under(masks * words);
  for (uint64_t &mask : under) mask = rng();
  std::vector<int64_t> odd(masks);
  count_odd(table.data(), 1, shots, words, under.data(), masks, odd.data());
  for (int64_t count : odd)
    if (count < 0 || count > int64_t(shots)) fail("more odd shots than shots");
}

static void stopped() {  // while several threads work
  const Program program(random_source(13, 200, false, 3));
  Asked asked(program, 2000);
  std::atomic<bool> stop{false};
  std::thread later([&] { std::this_thread::sleep_for(std::chrono::milliseconds(30)), stop = true; });
  try {
    Work work(stop, [] {});
    for (int again = 0; again < 100; ++again) Runner<double, Layout::batch>(program, asked.elements, asked.groups, {7, 2, 1e9}, work, asked.out.data()).run();
  } catch (const Stopped &) {
  }
  later.join();
}

int main(int argc, char **argv) {
  rng.seed(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1);
  const int programs = argc > 2 ? std::atoi(argv[2]) : 200;
  int refused = 0;
  for (int at = 0; at < programs; ++at) {
    const bool wide = at % 20 == 19;
    const int qubits = wide ? 12 + below(5) : 1 + below(5);
    Source source = random_source(qubits, wide ? 60 : 10 + below(60), at % 2, wide ? 3 : 6);
    every_engine(source, wide ? 6 : 150);
    for (int again = 0; again < 10; ++again) {
      Source wrong = source;
      spoil(wrong);
      try {
        const Program program(wrong);
        if (wrong.num_qubits <= 5 && wrong.num_clbits <= 1000) every_engine(wrong, 20);
      } catch (const std::invalid_argument &) {
        ++refused;
      }
    }
    bits();
  }
  stopped();
  if (!refused) fail("nothing was refused");
  std::printf("%d programs, %d malformed ones refused\n", programs, refused);
}
