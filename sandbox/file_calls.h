/* file_calls.h - the agent's calls on files (docs/agent-api.md). `user` is the agent. */
#pragma once
#include "http/http_dispatch.h"

http_route_f file_calls_upload; /* upload_call.c */
http_route_f file_calls_list;
http_route_f file_calls_download;
http_route_f file_calls_delete;
