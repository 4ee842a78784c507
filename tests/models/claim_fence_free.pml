/* Claim, fence and free, for Spin: the model of test_claim_fence_free.py in the words of another tool.

   Two schedulers, either of which may stop for any time between any two of its steps; two jobs that want one
   device; leases that end and processes that die at any moment. -DNO_CLAIM, -DNO_FENCE, -DNO_KILL and
   -DNO_LEASE leave out one rule each. */

#define JOBS 2
#define TROUBLE 2                 /* leases that end, in all */
#define FENCES 6                  /* more than there can be */
#define AT(j, f) ((j) * FENCES + (f))

mtype = { waits, runs, ended };
mtype state[JOBS] = waits;
byte fence[JOBS], ends[JOBS];
bool over[JOBS];                  /* the lease of the current attempt is */
bool lane[JOBS];                  /* the job holds the only lane */
bool alive[12], receipt[12];      /* by attempt: AT(job, fence) */
byte drivers, trouble;

#define FREE (!lane[0] && !lane[1])

inline begin(j, f) {              /* a ticket is worked on, unless it is stale */
#ifndef NO_KILL
    if
    :: fence[j] != f || over[j] || state[j] != runs -> skip
    :: else -> alive[AT(j, f)] = true; drivers++; assert(drivers <= 1)
    fi
#else
    alive[AT(j, f)] = true; drivers++; assert(drivers <= 1)
#endif
}

inline claim(j) {
    if
#ifndef NO_CLAIM
    :: state[j] == waits && FREE ->
#else
    :: fence[j] < FENCES - 1 ->
#endif
        fence[j]++; state[j] = runs; lane[j] = true; over[j] = false; f = fence[j]
    :: else -> f = 0
    fi
}

inline replace(j, seen) {
    if
#ifndef NO_FENCE
    :: state[j] == runs && over[j] && fence[j] == seen ->
#else
    :: state[j] == runs && over[j] && fence[j] < FENCES - 1 ->
#endif
        fence[j]++; over[j] = false; f = fence[j]
    :: else -> f = 0
    fi
}

proctype scheduler() {
    byte j, f, seen;
end:
    do
    :: atomic { state[0] == waits && FREE -> j = 0; seen = 0 }
        atomic { claim(j) }
        if :: atomic { f > 0 -> begin(j, f); f = 0 } :: f == 0 fi
    :: atomic { state[1] == waits && FREE -> j = 1; seen = 0 }
        atomic { claim(j) }
        if :: atomic { f > 0 -> begin(j, f); f = 0 } :: f == 0 fi
#ifndef NO_LEASE
    :: atomic { state[0] == runs && over[0] -> j = 0; seen = fence[0] }
        atomic { replace(j, seen) }
        if :: atomic { f > 0 -> begin(j, f); f = 0 } :: f == 0 fi
    :: atomic { state[1] == runs && over[1] -> j = 1; seen = fence[1] }
        atomic { replace(j, seen) }
        if :: atomic { f > 0 -> begin(j, f); f = 0 } :: f == 0 fi
#endif
    od
}

proctype process(byte j, k) {     /* an attempt: it ends, or dies; then somebody tells of it */
end:
    do
    :: atomic { alive[AT(j, k)] -> alive[AT(j, k)] = false; drivers--; receipt[AT(j, k)] = true }
    :: atomic { receipt[AT(j, k)] ->
        receipt[AT(j, k)] = false;
        if
#ifndef NO_FENCE
        :: state[j] == runs && fence[j] == k ->
#else
        :: state[j] == runs ->
#endif
            state[j] = ended; lane[j] = false; over[j] = false; ends[j]++;
            assert(ends[j] <= 1);
            assert(!alive[AT(j, fence[j])])
        :: else -> skip
        fi }
    od
}

proctype time() {                 /* the watchdog kills before anybody else may take a lease for over */
    byte j;
end:
    do
    :: atomic { trouble < TROUBLE && state[0] == runs && !over[0] -> j = 0; goto late }
    :: atomic { trouble < TROUBLE && state[1] == runs && !over[1] -> j = 1; goto late }
    od;
late:
    atomic {
        if
        :: state[j] == runs && !over[j] ->
            over[j] = true; trouble++;
#ifndef NO_KILL
            if
            :: alive[AT(j, fence[j])] -> alive[AT(j, fence[j])] = false; drivers--
            :: else -> skip
            fi
#endif
        :: else -> skip
        fi;
        j = 0; goto end
    }
}

proctype done() {                 /* nothing moves any more: then all is done */
    do
    :: timeout -> assert(state[0] == ended && state[1] == ended); break
    od
}

init {
    byte k;
    atomic {
        run scheduler(); run scheduler(); run time(); run done();
        for (k : 1 .. FENCES - 1) { run process(0, k); run process(1, k) }
    }
}
