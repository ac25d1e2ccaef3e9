/*
 * One day of one pipeline, as the protocol of head, fence, export, receipts, ledger and clean-up sees it.
 *
 * Two chains bring the day to done at once. Each may be tried again at any step, may lose a reply, freeze for ever or die.
 * Somebody may restore an older head from a backup or lose it, the source changes meanwhile, and garbage is collected.
 * What a process does between two points at which another one can see it is one atomic step here.
 *
 * The lease is not here: it saves work and proves nothing. All that follows has to hold without it.
 *
 * Each guard of the code is a macro that takes it out (-DNO_…). `test_model.py` shows that all promises hold with all
 * guards, and that without any single one of them spin finds a day that breaks a promise.
 */
#define EXPORTS 4            /* 0 is none */
#define NONE    0

/* The source: how many times its rows of the day were changed. */
byte source = 1;

/* The bucket. A head is replaced by the generation that was read; everything else is created once. */
byte head_generation = 1;
byte head_id = 1;
byte head_fence = 0;
byte head_export = NONE;
byte head_run = NONE;
byte highest_fence = 0;
byte runs_with_fence[9];     /* by fence, under the first head */

byte next_export = 1;
byte as_of[EXPORTS];         /* the version that an export holds */
bool there[EXPORTS];         /* whether its objects lie in the bucket */

byte fence[3];               /* by run, from 1 */
byte run_head[3];
byte settled[3];             /* the first export that any attempt was given */
byte run_export[3];          /* the run's export.json */
byte part[6];                /* by run and shard: the export that the part was made of */
byte receipt[6];

/* The target. `row` are two rows of the day: a reader must never see them of two loads. */
byte row[2];
byte ledger_run = NONE;
byte ledger_fence = 0;
byte ledger_head = 0;
byte ledger_export = NONE;
byte ledger_as_of = 0;
bool locked = false;
byte pointer = 0;            /* generation of the manifest of a Parquet target: lock and commit in one */
bool loaded[3];              /* whether a run's load was committed at some time */

/* ---- what is promised --------------------------------------------------------------------------------------------- */

inline committed(r, export) {
    assert(row[0] == row[1]);                                    /* old day or new day, never between */
    assert(row[0] == as_of[export]);                             /* the rows are those of the export that is named */
    assert(ledger_run == r || ledger_run == NONE);
}

inline check_promises(r, export) {
    assert(ledger_head <= run_head[r]);                        /* a head that was given up never rules again */
    assert(ledger_head != run_head[r] || ledger_fence <= fence[r]);   /* a late writer is refused */
    assert(ledger_head != run_head[r] || ledger_fence != fence[r] || ledger_run == r || ledger_run == NONE);
    assert(ledger_as_of <= as_of[export]);                       /* an older export never replaces a newer one */
    assert(part[r * 2] == export && part[r * 2 + 1] == export);       /* all parts are of one and the same export */
}

/* ---- chain: take a fence --------------------------------------------------------------------------------------------- */

inline take_fence(r) {
    do
    :: atomic { seen = head_generation; seen_fence = head_fence }
       atomic {
           if
#ifdef NO_HEAD_GENERATION
           :: true ->
#else
           :: seen == head_generation ->
#endif
               head_generation++; head_fence = seen_fence + 1; head_run = r;
               fence[r] = seen_fence + 1; run_head[r] = head_id;
               if
               :: head_id == 1 && !restored ->
                   runs_with_fence[fence[r]]++;
                   assert(runs_with_fence[fence[r]] == 1)      /* no two runs have one fence, but for a restored head */
               :: else -> skip
               fi;
               break
           :: else -> skip                                       /* another one was faster: read again */
           fi
       }
    od
}

bool restored = false;

/* ---- exporter: may run twice at once for one run ----------------------------------------------------------------------- */

proctype Exporter(byte r) {
    byte mine = NONE;
    fence[r] != 0;
    atomic {
        if
        :: run_export[r] != NONE -> goto end                     /* an earlier attempt has settled it */
        :: head_export != NONE && there[head_export] -> mine = head_export
        :: next_export < EXPORTS -> mine = next_export; next_export++; as_of[mine] = source; there[mine] = true
        :: true -> goto end                                      /* dies before it has read */
        fi
    }
    atomic {
        if
#ifdef NO_CREATE_ONLY
        :: true -> run_export[r] = mine
#else
        :: run_export[r] == NONE -> run_export[r] = mine         /* create-only: the first attempt wins */
        :: else -> skip                                          /* the other one adopts it */
#endif
        fi;
        if :: settled[r] == NONE -> settled[r] = run_export[r] :: else -> skip fi;
        assert(run_export[r] == settled[r]);                     /* a run uses one export, whoever tries again */
        mine = NONE
    }
    atomic { if :: head_run == r -> head_export = run_export[r]; head_generation++ :: else -> skip fi }
end: skip
}

/* ---- processor: one task a shard ------------------------------------------------------------------------------------- */

proctype Tasks(byte r) {
    byte shard = 0;
    do
    :: shard < 2 ->
        atomic {
            run_export[r] != NONE ->
            if
            :: there[run_export[r]] ->
                part[r * 2 + shard] = run_export[r]
            :: true -> goto end                                  /* gone, or it dies: no receipt is left */
            fi
        }
        atomic { receipt[r * 2 + shard] = part[r * 2 + shard]; shard++ }
    :: else -> break
    od;
end: skip
}

/* ---- loader: may run twice at once for one run ------------------------------------------------------------------------- */

#ifdef NO_POINTER_GENERATION
#define POINTER_MOVED false
#else
#define POINTER_MOVED (pointer != seen_pointer)
#endif

proctype Loader(byte r) {
    byte export, seen_pointer, seen_run, seen_fence, seen_head, seen_as_of;
    bool refused = false, unknown = false;

    run_export[r] != NONE;
    export = run_export[r];
#ifdef NO_RECEIPTS
    part[r * 2] != NONE || part[r * 2 + 1] != NONE;
#else
    receipt[r * 2] != NONE && receipt[r * 2 + 1] != NONE;
    if                                                           /* conservation: parts are those of the export */
    :: receipt[r * 2] != export || receipt[r * 2 + 1] != export -> goto end
    :: else -> skip
    fi;
#endif

#ifndef NO_LOCK
#ifndef POINTER
    atomic { !locked -> locked = true }                          /* the transaction's first statement */
#endif
#endif
    atomic { seen_pointer = pointer; seen_run = ledger_run; seen_fence = ledger_fence; seen_head = ledger_head; seen_as_of = ledger_as_of }
    if
    :: seen_run == NONE -> skip
#ifndef NO_SAME_RUN
    :: seen_run == r -> refused = true                         /* done already: nothing is written */
#endif
    :: seen_run != NONE && seen_run != r ->
        if
#ifndef NO_HEAD_ID
        :: seen_head > run_head[r] -> refused = true           /* another head rules the day */
#endif
#ifndef NO_FENCE
        :: seen_head == run_head[r] && seen_fence > fence[r] -> refused = true
#endif
#ifndef NO_EQUAL_FENCE
        :: seen_head == run_head[r] && seen_fence == fence[r] -> refused = true
#endif
#ifndef NO_AS_OF
        :: seen_as_of > as_of[export] -> refused = true
#endif
        :: else -> skip
        fi
#ifdef NO_SAME_RUN
    :: seen_run == r -> skip
#endif
    fi;
    if
    :: refused -> goto unlock
    :: else -> skip
    fi;

#ifdef NO_TRANSACTION
    row[0] = as_of[export];
    if :: true -> skip :: true -> goto unlock fi;                /* killed between two statements */
    row[1] = as_of[export];
#endif
    if
    :: true -> goto unlock                                       /* killed before the commit: rolled back */
#ifdef POINTER
    :: atomic { POINTER_MOVED -> goto end }                      /* a target of files: its manifest is another one now */
#endif
    :: atomic {
#ifdef POINTER
           !POINTER_MOVED -> pointer++;
#endif
#ifdef NO_SAME_RUN
           assert(!loaded[r]);                                 /* a run is loaded once */
#endif
           check_promises(r, export);
           row[0] = as_of[export]; row[1] = as_of[export];
           ledger_run = r; ledger_fence = fence[r]; ledger_head = run_head[r];
           ledger_export = export; ledger_as_of = as_of[export];
           loaded[r] = true;
           committed(r, export);
           if :: true -> unknown = false :: true -> unknown = true fi       /* the reply may get lost */
       }
    :: unknown = true                                            /* or the connection before it was committed */
    fi;

    locked = false;
    if
    :: !unknown -> skip
    :: unknown ->
#ifdef NO_READ_BACK
        skip                                                     /* takes it for done */
#else
        if
        :: atomic { ledger_run != r -> goto end }              /* not there: it is no success, the load begins again */
        :: atomic { ledger_run == r -> skip }
        fi
#endif
    fi;
    assert(loaded[r]);                                         /* "done" is said of what was committed */
    goto end;
unlock:
    locked = false;
#ifdef NO_TRANSACTION
    assert(row[0] == row[1]);
#endif
end: skip
}

/* ---- chains, the world, clean-up ---------------------------------------------------------------------------------------- */

proctype Chain(byte r) {
    byte seen, seen_fence;
    take_fence(r)
}

proctype Source() { source = 2 }

proctype World() {
    byte old_fence, old_export, old_run;
    atomic { old_fence = head_fence; old_export = head_export; old_run = head_run }
    if
    :: atomic {                                                  /* a head from a backup */
           restored = true; head_fence = old_fence; head_export = old_export; head_run = old_run; head_generation++
       }
    :: atomic {                                                  /* a head that was lost: the next one is another */
           head_id = 2; head_fence = 0; head_export = NONE; head_run = NONE; head_generation++
       }
    fi
}

#ifdef NO_GC_LEDGER
#define LEDGER_KEEPS(export) false
#else
#define LEDGER_KEEPS(export) (ledger_export == export)
#endif
#define AT_REST(export) (run_export[1] != NONE && run_export[2] != NONE && (loaded[1] || run_export[1] != export) && (loaded[2] || run_export[2] != export))

proctype Gc() {
    byte victim = 1;
    if
    :: victim = 1
    :: victim = 2
    fi;
    atomic {                                                     /* old enough that no run of it goes on */
        if
        :: there[victim] && victim != head_export && !LEDGER_KEEPS(victim) && AT_REST(victim) ->
            there[victim] = false;
            assert(ledger_export != victim)                      /* what the ledger names stays */
        :: else -> skip
        fi
    }
}

init {
    atomic {
        run Chain(1);
        run Chain(2);
        run Exporter(1);
        run Exporter(2);
        run Tasks(1);
        run Tasks(2);
        run Loader(1);
        run Loader(2);
#ifdef TWO_EXPORTERS
        run Exporter(1);                                         /* an attempt that was taken for dead */
#endif
#ifdef TWO_LOADERS
        run Loader(1);
#endif
#ifdef WORLD
        run World();
#endif
#ifdef GARBAGE
        run Gc();
#endif
        run Source()
    }
}
