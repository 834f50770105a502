#include "sim_redis_script.h"

#include "base/mem.h"
#include "router/redis_link.h"
#include "sim_property.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

/* One for all histories: what it keeps are compiled scripts. */
static lua_State *lua;
static struct sim_redis *running;

/* -- redis.call -- */

static struct slice argument(lua_State *l, int i, char *number, size_t size)
{
    struct slice s;
    if (lua_type(l, i) != LUA_TNUMBER) {
        s.at = lua_tolstring(l, i, &s.len);
        return s;
    }
    lua_Number n = lua_tonumber(l, i);
    if (n == (lua_Number)(int64_t)n)
        snprintf(number, size, "%" PRId64, (int64_t)n); /* the same text, and sooner */
    else
        snprintf(number, size, "%.17g", n);
    return slice_of(number);
}

static void push_text(lua_State *l, struct slice text)
{
    if (text.at)
        lua_pushlstring(l, text.at, text.len);
    else
        lua_pushboolean(l, 0);
}

static void push_reply(lua_State *l, const struct redis_value *v)
{
    if (v->kind == REDIS_NUMBER) {
        lua_pushnumber(l, (lua_Number)v->number);
    } else if (v->kind == REDIS_LIST) {
        lua_newtable(l);
        for (size_t i = 0; i < v->count; i++) {
            push_text(l, v->items[i].text);
            lua_rawseti(l, -2, (int)i + 1);
        }
    } else {
        push_text(l, v->text);
    }
}

static int call(lua_State *l)
{
    struct slice args[REDIS_ARGS_MAX];
    char numbers[REDIS_ARGS_MAX][32];
    int count = lua_gettop(l);
    INVARIANT(count <= REDIS_ARGS_MAX);
    for (int i = 0; i < count; i++)
        args[i] = argument(l, i + 1, numbers[i], sizeof(numbers[i]));
    struct redis_value *v = sim_redis_run(running, args, count);
    if (v->kind == REDIS_TEXT && slice_starts_with(v->text, "-ERR"))
        sim_violated("redis", "a script calls what this Redis does not know: %s", args[0].at);
    push_reply(l, v);
    sim_redis_reply_free(&v);
    return 1;
}

static void open_lua(void)
{
    lua = luaL_newstate();
    INVARIANT(lua);
    luaL_openlibs(lua);
    lua_newtable(lua);
    lua_pushcfunction(lua, call);
    lua_setfield(lua, -2, "call");
    lua_setglobal(lua, "redis");
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "scripts");
}

/* -- the script -- */

/* Leaves the function on the stack. */
static void push_script(struct slice text)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, "scripts");
    lua_pushlstring(lua, text.at, text.len);
    lua_rawget(lua, -2);
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);
        if (luaL_loadbuffer(lua, text.at, text.len, "script") != 0)
            sim_violated("redis", "a script does not compile: %s", lua_tostring(lua, -1));
        lua_pushlstring(lua, text.at, text.len);
        lua_pushvalue(lua, -2);
        lua_rawset(lua, -4);
    }
    lua_remove(lua, -2);
}

static void set_list(const char *name, const struct slice *items, int count)
{
    lua_newtable(lua);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(lua, items[i].at ? items[i].at : "", items[i].len);
        lua_rawseti(lua, -2, i + 1);
    }
    lua_setglobal(lua, name);
}

static struct redis_value *take_table(void)
{
    struct slice items[1024];
    size_t count = 0;
    /* The texts live as long as the table, which stays on the stack. */
    for (int i = 1; count < ARRAY_LEN(items); i++) {
        lua_rawgeti(lua, -1, i);
        bool end = lua_isnil(lua, -1);
        items[count] = (struct slice){0};
        if (lua_isstring(lua, -1))
            items[count].at = lua_tolstring(lua, -1, &items[count].len);
        lua_pop(lua, 1);
        if (end)
            break;
        count++;
    }
    return sim_redis_reply_list(items, count);
}

static struct redis_value *take_result(void)
{
    struct slice s = {0};
    if (lua_isnumber(lua, -1))
        return sim_redis_reply_number((int64_t)lua_tonumber(lua, -1));
    if (lua_istable(lua, -1))
        return take_table();
    if (lua_isstring(lua, -1))
        s.at = lua_tolstring(lua, -1, &s.len);
    return sim_redis_reply_text(s);
}

struct redis_value *sim_redis_script_run(struct sim_redis *r, const struct slice *args, int count)
{
    if (!lua)
        open_lua();
    int keys = atoi(args[2].at);
    push_script(args[1]);
    set_list("KEYS", args + 3, keys);
    set_list("ARGV", args + 3 + keys, count - 3 - keys);
    running = r;
    if (lua_pcall(lua, 0, 1, 0) != 0)
        sim_violated("redis", "a script fails: %s", lua_tostring(lua, -1));
    struct redis_value *v = take_result();
    lua_pop(lua, 1);
    return v;
}
