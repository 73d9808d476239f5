/* Control flow inside a program. */
#include "kernel.h"

/* loop: how many of the calls behind it are its body, trips at most (-1: no bound). Inputs trips at
 * most (int64, or absent), whether to begin at all (bool, or absent), whether to go on, which the
 * body says (bool, or absent); output the number of the present trip (int64), which the body may
 * read. */
enum { BODY, TRIPS, PARAMS };

static const char *check_loop(const sl_args *a) {
    SL_SHAPE(a, 3, 1, PARAMS);
    SL_TRY(a->p[TRIPS] >= -1, "the trips are negative");
    SL_TRY(!sl_present(&a->in[0]) || sl_holds(&a->in[0], 1, 8), "the count of trips is too small");
    for (int i = 1; i < 3; i++)
        SL_TRY(!sl_present(&a->in[i]) || sl_holds(&a->in[i], 1, 1), "a condition is too small");
    SL_TRY(a->p[TRIPS] >= 0 || sl_present(&a->in[0]) || sl_present(&a->in[2]),
           "nothing ends the loop");
    SL_TRY(sl_holds(&a->out[0], 1, 8), "the number of the trip is too small");
    return NULL;
}

static const char *run_loop(const sl_call *call) {
    const int64_t *most = call->in[0];
    const uint8_t *begin = call->in[1], *go_on = call->in[2];
    int64_t *trip = call->out[0], trips = call->p[TRIPS] < 0 ? INT64_MAX : call->p[TRIPS];
    *trip = 0;
    if (most && *most < trips) trips = *most;
    if ((begin && !*begin) || call->body == 0) return NULL;
    for (int64_t i = 0; i < trips; i++) {
        *trip = i;
        const char *wrong = sl_run_calls(call + 1, call->body);
        if (wrong) return wrong;
        if (go_on && !*go_on) break;
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_control)[] = {
    {"loop", check_loop, run_loop, SL_CONTROL},
    SL_END,
};
