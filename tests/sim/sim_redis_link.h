/* sim_redis_link.h - which server listens at which port. */
#pragma once
struct sim_redis;
void sim_redis_link_begin(void);
void sim_redis_link_listen(int port, struct sim_redis *r);
/* Its connections end. */
void sim_redis_link_died(struct sim_redis *r);
void sim_redis_link_end(void); /* with the world */
