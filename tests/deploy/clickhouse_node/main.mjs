// Asks the embedded ClickHouse through @clickhouse/client and prints what it got as JSON. Usage: node main.mjs HOST:PORT
// COMPRESSION, where COMPRESSION is none or gzip. It exits with 1 and one line on standard error if something fails.
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";

const VALUES = `SELECT
  toDateTime64('2026-03-01 08:30:15.125', 3, 'UTC') AS at,
  CAST(NULL AS Nullable(Int64)) AS missing,
  CAST(7 AS Nullable(Int64)) AS present,
  CAST('chat' AS LowCardinality(String)) AS channel,
  [toUInt16(1), 2, 3] AS numbers,
  map('waiting', toInt32(4)) AS gauges,
  toDecimal64(12.34, 2) AS share,
  toUInt64(18446744073709551615) AS large`;

function connect(address, compression, username) {
  const packed = compression === "gzip";
  return createClient({
    url: `http://${address}`,
    username,
    password: "any",
    compression: { request: packed, response: packed },
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1, output_format_json_quote_decimals: 1, max_execution_time: 30 },
  });
}

async function rows(client, query, query_params) {
  return (await client.query({ query, query_params, format: "JSONEachRow" })).json();
}

async function batch(client) {
  const table = `clickhouse_node_${Date.now()}`;
  await client.command({
    query: `CREATE TABLE ${table} (id UInt64, name LowCardinality(String), at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY id`,
  });
  try {
    const values = Array.from({ length: 10_000 }, (_, id) => ({ id, name: `queue ${id % 7}`, at: 1767225600000 + id }));
    await client.insert({ table, values, format: "JSONEachRow" });
    const [{ n, total }] = await rows(client, `SELECT count() AS n, sum(id) AS total FROM ${table}`);
    return [Number(n), Number(total)];
  } finally {
    await client.command({ query: `DROP TABLE ${table}` });
  }
}

async function streamed(client) {
  const result = await client.query({ query: "SELECT number, toString(number) FROM numbers(200000)", format: "JSONEachRow" });
  let count = 0;
  for await (const chunk of result.stream()) count += chunk.length;
  return count;
}

async function failure(action) {
  try {
    await action();
  } catch (error) {
    return `${error.code} ${error.type}`;
  }
  throw new Error("a wrong query gave no error");
}

const [address, compression] = process.argv.slice(2);
const client = connect(address, compression, "default");
const reader = connect(address, compression, "pulssi_reader");
try {
  if (!(await client.ping()).success) throw new Error("no answer to ping");
  const [row] = await rows(client, VALUES);
  row.at = `${row.at.replace(" ", "T")}Z`;
  row.present = Number(row.present);
  const [batchRows, batchSum] = await batch(client);
  const [{ queue }] = await rows(client, "SELECT {queue:String} AS queue", { queue: "e-mail's" });
  const none = await rows(client, "SELECT number FROM numbers(10) WHERE number > 100");
  const seen = {
    row,
    batch: batchRows,
    batch_sum: batchSum,
    streamed: await streamed(client),
    parameter: queue,
    no_rows: none.length,
    error: await failure(() => rows(client, "SELECT nothing_of_that_name")),
    readonly: await failure(() => reader.command({ query: "CREATE TABLE default.never (id UInt8) ENGINE = Memory" })),
  };
  console.log(JSON.stringify(seen));
} catch (error) {
  console.error(String(error).split("\n")[0]);
  process.exitCode = 1;
} finally {
  await client.close();
  await reader.close();
}
