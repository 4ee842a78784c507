// What Python sees of the kernel. Built once per instruction set; each build is a module of its own.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bits.hpp"
#include "run.hpp"
#include "transfer.hpp"

namespace nb = nanobind;
using namespace coldplate;

template <class T> using In1 = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using In2 = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T> std::vector<T> list(const In1<T> &array) { return {array.data(), array.data() + array.shape(0)}; }

struct Stop {
  std::atomic<bool> set{false};
};

// Lists of lists as one array and where each begins.
template <class T, class F> void each_row(const In1<T> &values, const In1<int32_t> &starts, F &&row) {
  for (size_t at = 0; at + 1 < starts.shape(0); ++at) {
    const int32_t from = starts.data()[at], to = starts.data()[at + 1];
    if (from < 0 || to < from || size_t(to) > values.shape(0)) throw std::invalid_argument("kernel: rows overlap");
    row(values.data() + from, values.data() + to);
  }
}

static Source read(int num_qubits, int num_clbits, int num_columns, In2<int32_t> instructions, In1<double> constants, In1<int32_t> starts,
                   In1<int32_t> columns, In1<double> slopes, In1<std::complex<double>> matrices, In1<std::complex<double>> dense,
                   In1<int32_t> dense_starts, In1<int32_t> dense_qubits, In1<int32_t> dense_qubit_starts, In1<double> paulis,
                   In1<int32_t> pauli_starts, In1<double> damping, In1<int32_t> condition_bits, In1<int32_t> condition_bit_starts,
                   In1<uint64_t> condition_values, In1<int32_t> condition_value_starts, In2<int32_t> finals, In2<double> readout) {
  Source s;
  s.num_qubits = num_qubits, s.num_clbits = num_clbits, s.num_columns = num_columns;
  if (instructions.shape(1) != 4 || finals.shape(1) != 2 || readout.shape(1) != 2) throw std::invalid_argument("kernel: a table has the wrong width");
  s.instructions.assign(instructions.data(), instructions.data() + instructions.size());
  s.angles = {list(constants), list(slopes), list(starts), list(columns)};
  if (s.angles.start.empty()) throw std::invalid_argument("kernel: angles have no rows");
  for (size_t at = 0; at + 3 < matrices.shape(0); at += 4) {
    const std::complex<double> *m = matrices.data() + at;
    s.matrices.push_back({m[0], m[1], m[2], m[3]});
  }
  each_row(dense, dense_starts, [&](auto from, auto to) { s.dense.push_back({{}, {from, to}}); });
  size_t at = 0;
  each_row(dense_qubits, dense_qubit_starts, [&](auto from, auto to) {
    if (at < s.dense.size()) s.dense[at++].qubits.assign(from, to);
  });
  each_row(paulis, pauli_starts, [&](auto from, auto to) { s.paulis.push_back({from, to}); });
  s.damping = list(damping);
  each_row(condition_bits, condition_bit_starts, [&](auto from, auto to) { s.conditions.push_back({{from, to}, {}}); });
  at = 0;
  each_row(condition_values, condition_value_starts, [&](auto from, auto to) {
    if (at < s.conditions.size()) s.conditions[at++].values.assign(from, to);
  });
  s.finals.assign(finals.data(), finals.data() + finals.size());
  s.readout.assign(readout.data(), readout.data() + readout.size());
  return s;
}

struct Request {
  Elements elements;
  std::vector<std::vector<size_t>> groups;
  size_t total = 0;
};

static Request request(const Program &program, const In2<double> &params, const In1<int64_t> &rows, const In1<int64_t> &groups, const In1<int64_t> &shots) {
  Request found;
  const size_t count = rows.shape(0), most_shots = (size_t(1) << 50) / size_t(program.num_words());
  if (params.shape(1) != size_t(program.source.num_columns)) throw std::invalid_argument("kernel: parameters don't fit the program");
  if (count > UINT32_MAX || groups.shape(0) != count || shots.shape(0) != count) throw std::invalid_argument("kernel: elements don't fit each other");
  found.elements.params = params.data(), found.elements.columns = params.shape(1);
  for (size_t at = 0; at < params.size(); ++at)
    if (!std::isfinite(params.data()[at])) throw std::invalid_argument("kernel: parameters are finite");
  int64_t most = -1;
  for (size_t at = 0; at < count; ++at) {
    const int64_t row = rows.data()[at], number = shots.data()[at], group = groups.data()[at];
    if (row < 0 || row >= int64_t(params.shape(0)) || number < 0 || group < 0 || group >= int64_t(count)) throw std::invalid_argument("kernel: an element is out of range");
    if (size_t(number) > most_shots - found.total) throw std::invalid_argument("kernel: too many shots");
    found.elements.row.push_back(size_t(row));
    found.elements.shots.push_back(size_t(number));
    found.elements.offset.push_back(found.total);
    found.total += size_t(number);
    most = std::max(most, group);
  }
  found.groups.resize(size_t(most + 1));
  for (size_t at = 0; at < count; ++at) found.groups[size_t(groups.data()[at])].push_back(at);
  std::erase_if(found.groups, [](const auto &one) { return one.empty(); });
  return found;
}

template <class R> void run_as(const Program &program, const Request &asked, const Settings &settings, bool wide, Work &work, uint64_t *out) {
  if (wide) Runner<R, Layout::wide>(program, asked.elements, asked.groups, settings, work, out).run();
  else Runner<R, Layout::batch>(program, asked.elements, asked.groups, settings, work, out).run();
}

static auto run(const Program &program, In2<double> params, In1<int64_t> rows, In1<int64_t> groups, In1<int64_t> shots, uint64_t seed,
                int threads, bool single, bool wide, bool exact, double max_bytes, const Stop &stop) {
  const Request asked = request(program, params, rows, groups, shots);
  if (wide && program.source.num_qubits < 12) throw std::invalid_argument("kernel: wide states have at least 12 qubits");
  const size_t words = size_t(program.num_words());
  uint64_t *out = new uint64_t[std::max<size_t>(1, asked.total * words)];
  nb::capsule owner(out, [](void *p) noexcept { delete[] static_cast<uint64_t *>(p); });
  Work work(stop.set, [] {
    const nb::gil_scoped_acquire hold;
    if (PyErr_CheckSignals()) throw nb::python_error();
  });
  const Settings settings{seed, std::max(1, threads), max_bytes};
  {
    const nb::gil_scoped_release free;
    if (exact) {
      const TransferProgram transfer(program.source);
      const double each = std::ldexp(8.0, 2 * program.source.num_qubits);
      if (asked.elements.row.size() > 2 && each * 16 * settings.threads <= max_bytes)
        TransferRunner<Vec<double>>(program, transfer, asked.elements, seed, work, out).run(asked.groups, settings.threads);
      else TransferRunner<double>(program, transfer, asked.elements, seed, work, out).run(asked.groups, settings.threads);
    } else if (single) run_as<float>(program, asked, settings, wide, work, out);
    else run_as<double>(program, asked, settings, wide, work, out);
  }
  return nb::ndarray<nb::numpy, uint64_t, nb::ndim<2>>(out, {asked.total, words}, owner);
}

static int level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return 4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return 3;
#endif
  return 1;
}

NB_MODULE(COLDPLATE_MODULE, m) {
  nb::register_exception_translator([](const std::exception_ptr &error, void *) {
    try {
      std::rethrow_exception(error);
    } catch (const Stopped &) {
      PyErr_SetString(PyExc_InterruptedError, "the kernel was told to stop");
    }
  });
  m.def("level", &level, "The widest instruction set of this processor that there is a build for: 1, 3 or 4.");
  nb::class_<Stop>(m, "Stop").def(nb::init<>()).def("set", [](Stop &stop) { stop.set = true; });
  nb::class_<Program>(m, "Program")
      .def("__init__", [](Program *self, int num_qubits, int num_clbits, int num_columns, In2<int32_t> instructions, In1<double> constants,
                          In1<int32_t> starts, In1<int32_t> columns, In1<double> slopes, In1<std::complex<double>> matrices,
                          In1<std::complex<double>> dense, In1<int32_t> dense_starts, In1<int32_t> dense_qubits,
                          In1<int32_t> dense_qubit_starts, In1<double> paulis, In1<int32_t> pauli_starts, In1<double> damping,
                          In1<int32_t> condition_bits, In1<int32_t> condition_bit_starts, In1<uint64_t> condition_values,
                          In1<int32_t> condition_value_starts, In2<int32_t> finals, In2<double> readout) {
        new (self) Program(read(num_qubits, num_clbits, num_columns, instructions, constants, starts, columns, slopes, matrices, dense,
                                dense_starts, dense_qubits, dense_qubit_starts, paulis, pauli_starts, damping, condition_bits,
                                condition_bit_starts, condition_values, condition_value_starts, finals, readout));
      })
      .def_prop_ro("body_columns", &Program::body_columns)
      .def_prop_ro("num_operations", [](const Program &p) { return p.ops.size(); })
      .def_prop_ro("num_locations", [](const Program &p) { return p.locations.size(); })
      .def_prop_ro("quiet", [](const Program &p) { return p.locations.empty() ? 1.0 : Survival(p).quiet(); })
      .def_prop_ro("dynamic", [](const Program &p) { return p.first_dynamic >= 0; })
      .def("run", &run);
  m.def("place_bits", [](In2<uint64_t> words, In2<int32_t> moves, nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> rows) {
    if (rows.shape(0) != words.shape(0) || moves.shape(1) != 2) throw std::invalid_argument("kernel: rows don't fit the shots");
    std::vector<Move> listed;
    for (size_t at = 0; at < moves.shape(0); ++at) {
      const Move move{moves.data()[2 * at], moves.data()[2 * at + 1]};
      if (move.from < 0 || move.from >= int(64 * words.shape(1)) || move.to < 0 || move.to >= int(8 * rows.shape(1))) throw std::invalid_argument("kernel: a bit is out of range");
      listed.push_back(move);
    }
    const nb::gil_scoped_release free;
    place_bits(words.data(), words.shape(0), words.shape(1), listed, rows.data(), rows.shape(1));
  });
  m.def("count_odd", [](nb::ndarray<const uint64_t, nb::ndim<3>, nb::c_contig, nb::device::cpu> words, In2<uint64_t> masks) {
    if (masks.shape(1) != words.shape(2)) throw std::invalid_argument("kernel: masks don't fit the shots");
    const size_t elements = words.shape(0), count = masks.shape(0);
    int64_t *out = new int64_t[std::max<size_t>(1, elements * count)];
    nb::capsule owner(out, [](void *p) noexcept { delete[] static_cast<int64_t *>(p); });
    {
      const nb::gil_scoped_release free;
      count_odd(words.data(), elements, words.shape(1), words.shape(2), masks.data(), count, out);
    }
    return nb::ndarray<nb::numpy, int64_t, nb::ndim<2>>(out, {elements, count}, owner);
  });
}
