/* sim_parse.h - most of what a history costs is JSON that several gateways read, or one again and
 * again: events of watches, the capacity of another site. Such a text is parsed once, and what came
 * out is shared: whoever reads these only reads.
 *
 * Takes the place of json_parse_object() (the linker's --wrap). */
#pragma once

void sim_parse_forget(void);
