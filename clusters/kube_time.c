/* RFC 3339 for kube_object.h: the API writes whole seconds in UTC, its clients may write more. */
#include "clusters/kube_object.h"
#include <stdio.h>
#include <time.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `count` digits, then `mark` unless that is 0. */
static bool take(const char **p, int count, char mark, int *out)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*p)++) {
        if (!is_digit(**p))
            return false;
        value = value * 10 + (**p - '0');
    }
    if (mark != '\0' && *(*p)++ != mark)
        return false;
    *out = value;
    return true;
}

static bool take_date(const char **p, struct tm *tm)
{
    static const int DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;

    if (!take(p, 4, '-', &year) || !take(p, 2, '-', &month) || !take(p, 2, '\0', &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1])
        return false;
    if (**p != 'T' && **p != 't')
        return false;
    (*p)++;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

static bool take_clock(const char **p, struct tm *tm)
{
    return take(p, 2, ':', &tm->tm_hour) && take(p, 2, ':', &tm->tm_min) &&
           take(p, 2, '\0', &tm->tm_sec) && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

static bool take_fraction(const char **p, int *ms)
{
    int weight = 100;

    *ms = 0;
    if (**p != '.')
        return true;
    (*p)++;
    if (!is_digit(**p))
        return false;
    for (; is_digit(**p); (*p)++, weight /= 10)
        *ms += (**p - '0') * weight;
    return true;
}

static bool take_zone(const char **p, int *minutes)
{
    int sign, hour, minute;

    *minutes = 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return true;
    }
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if (!take(p, 2, ':', &hour) || !take(p, 2, '\0', &minute) || hour > 23 || minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

bool kube_time_parse(const char *text, int64_t *wall_ms)
{
    struct tm tm = {0};
    const char *p = text;
    int ms, zone;

    if (!text || !take_date(&p, &tm) || !take_clock(&p, &tm) || !take_fraction(&p, &ms) ||
        !take_zone(&p, &zone) || *p != '\0')
        return false;
    *wall_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + ms;
    return true;
}

void kube_time_print(int64_t wall_ms, char out[32])
{
    int64_t ms = wall_ms % 1000 < 0 ? wall_ms % 1000 + 1000 : wall_ms % 1000;
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm tm;
    char date[24];

    if (!gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        date[0] = '\0';
    snprintf(out, 32, "%s.%03dZ", date, (int)ms);
}
