/* files_api.h - the agent's calls on files (docs/agent-api.md). `user` is the agent. */
#pragma once
#include "http/http_dispatch.h"

http_route_f files_api_upload; /* upload_call.c */
http_route_f files_api_list;
http_route_f files_api_download;
http_route_f files_api_delete;
