// Uses prometheus-query as its documentation shows, against the console whose address is given.
const { PrometheusDriver } = require("prometheus-query");
const assert = require("node:assert");

const [url, end] = [process.argv[2], Number(process.argv[3])];
const prom = new PrometheusDriver({ endpoint: url, baseURL: "/api/v1" });
const date = (seconds) => new Date(seconds * 1000);

async function main() {
  const instant = await prom.instantQuery('shop_requests_total{job="api"}', date(end));
  assert.equal(instant.resultType, "vector");
  assert.equal(instant.result.length, 2);
  assert.equal(instant.result[0].metric.name, "shop_requests_total");
  const range = await prom.rangeQuery("sum(rate(shop_requests_total[1m]))", date(end - 600), date(end), 60);
  assert.equal(range.resultType, "matrix");
  assert.equal(range.result[0].values.length, 11);
  const series = await prom.series(["shop_requests_total"], date(end - 600), date(end));
  assert.equal(series.length, 3);
  assert.ok((await prom.labelNames()).includes("code"));
  assert.deepEqual((await prom.labelValues("code")).sort(), ["200", "500"]);
  assert.ok(Array.isArray((await prom.targets()).activeTargets));
  assert.ok(await prom.metadata());
  assert.ok((await prom.buildInfo?.()) ?? true);
  await assert.rejects(prom.instantQuery("sum("), "a mistake is an error");
  console.log("OK");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
