/* files_api.h - a session's files. `user` is the gateway. */
#pragma once
#include "http/http_dispatch.h"

http_route_f files_api_upload;
http_route_f files_api_list;
http_route_f files_api_download;
http_route_f files_api_delete;
