/* exec_course.h - what becomes of code that a request brings: (1) which session is it for, (2) may
 * it have run already, (3) is the session ready, (4) to its agent, here or at another site.
 *
 * The request's answer is given in any case, once, and the request is over then. */
#pragma once

struct request;

/* `language`, `wait_s`, `until_ms` and what the query says are set; the body is unread, or
 * collected by who had to look into it. */
void exec_course_start(struct request *r);
/* The same for a session whose id was made for this request: (1) and (2) are known. */
void exec_course_start_new(struct request *r);
