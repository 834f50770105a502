/* names.h - what Kubernetes accepts as names, label keys and label values. Pure. */
#pragma once
#include <stdbool.h>

bool names_is_label(const char *text);     /* DNS-1123 label, 1–63 */
bool names_is_subdomain(const char *text); /* DNS-1123 subdomain, 1–253 */
bool names_is_qualified(const char *text); /* label or annotation key: [prefix/]name */
bool names_is_label_value(
    const char *text);               /* "" or 1–63 of [A-Za-z0-9._-], alphanumeric at both ends */
bool names_is_env(const char *text); /* C_IDENTIFIER with dots and dashes, as Kubernetes */
/* For messages that quote what came from outside: bytes that are not printable ASCII become '?', so
 * that a cut never leaves half a character. */
void names_make_printable(char *text);
