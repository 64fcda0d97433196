"""Uses prometheus-api-client as its documentation shows, against the console whose address is given."""

import sys
from datetime import datetime, timezone

from prometheus_api_client import PrometheusConnect

url, end = sys.argv[1], float(sys.argv[2])
prom = PrometheusConnect(url=url, disable_ssl=True)
assert prom.check_prometheus_connection(), "not connected"
assert "shop_requests_total" in prom.all_metrics(), prom.all_metrics()

found = prom.custom_query(query="sum by (job) (shop_requests_total)", params={"time": end})
assert len(found) == 2 and all(float(s["value"][1]) > 0 for s in found), found
found = prom.get_current_metric_value("shop_requests_total", label_config={"job": "api", "code": "200"})
assert len(found) == 1 and found[0]["metric"]["job"] == "api", found

when = lambda seconds: datetime.fromtimestamp(seconds, tz=timezone.utc)
found = prom.get_metric_range_data("shop_requests_total", start_time=when(end - 600), end_time=when(end))
points = sum(len(series["values"]) for series in found)
assert points >= 3 * 39, (len(found), points)
found = prom.custom_query_range("rate(shop_requests_total[1m])", when(end - 600), when(end), "60")
assert len(found) == 3 and all(len(series["values"]) == 11 for series in found), found

assert sorted(prom.get_label_values("code")) == ["200", "500"], prom.get_label_values("code")
assert "job" in prom.get_label_names()
print("OK")
