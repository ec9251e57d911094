// Command clickhouse_go asks the embedded ClickHouse through clickhouse-go over HTTP and database/sql, as Grafana's
// data source does, and prints what it got as JSON. Usage: clickhouse_go HOST:PORT COMPRESSION, where COMPRESSION is none, gzip, lz4 or
// zstd. It exits with 1 and one line on standard error where something cannot be done at all.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/shopspring/decimal"
)

type seen struct {
	Row       map[string]any `json:"row"`
	Batch     uint64         `json:"batch"`
	BatchSum  uint64         `json:"batch_sum"`
	Streamed  uint64         `json:"streamed"`
	Parameter string         `json:"parameter"`
	NoRows    int            `json:"no_rows"`
	Error     string         `json:"error"`
	Readonly  string         `json:"readonly"`
}

var methods = map[string]clickhouse.CompressionMethod{
	"none": clickhouse.CompressionNone,
	"gzip": clickhouse.CompressionGZIP,
	"lz4":  clickhouse.CompressionLZ4,
	"zstd": clickhouse.CompressionZSTD,
}

func open(address, compression, user string) *sql.DB {
	return clickhouse.OpenDB(&clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{address},
		Auth:        clickhouse.Auth{Database: "default", Username: user, Password: "any"},
		Compression: &clickhouse.Compression{Method: methods[compression], Level: 1},
		Settings:    clickhouse.Settings{"max_execution_time": 30},
	})
}

const values = `SELECT
  toDateTime64('2026-03-01 08:30:15.125', 3, 'UTC') AS at,
  CAST(NULL AS Nullable(Int64)) AS missing,
  CAST(7 AS Nullable(Int64)) AS present,
  CAST('chat' AS LowCardinality(String)) AS channel,
  [toUInt16(1), 2, 3] AS numbers,
  map('waiting', toInt32(4)) AS gauges,
  toDecimal64(12.34, 2) AS share,
  toUInt64(18446744073709551615) AS large`

func types(ctx context.Context, db *sql.DB) (map[string]any, error) {
	var (
		at      time.Time
		missing *int64
		present *int64
		channel string
		numbers []uint16
		gauges  map[string]int32
		share   decimal.Decimal
		large   uint64
	)
	row := db.QueryRowContext(ctx, values)
	if err := row.Scan(&at, &missing, &present, &channel, &numbers, &gauges, &share, &large); err != nil {
		return nil, fmt.Errorf("types: %w", err)
	}
	return map[string]any{
		"at": at.UTC().Format(time.RFC3339Nano), "missing": missing, "present": present, "channel": channel,
		"numbers": numbers, "gauges": gauges, "share": share.String(), "large": fmt.Sprint(large),
	}, nil
}

func batch(ctx context.Context, db *sql.DB, table string) (uint64, uint64, error) {
	create := "CREATE TABLE " + table + " (id UInt64, name LowCardinality(String), at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY id"
	if _, err := db.ExecContext(ctx, create); err != nil {
		return 0, 0, fmt.Errorf("create: %w", err)
	}
	defer func() { _, _ = db.ExecContext(ctx, "DROP TABLE "+table) }()
	scope, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("begin: %w", err)
	}
	rows, err := scope.PrepareContext(ctx, "INSERT INTO "+table)
	if err != nil {
		return 0, 0, fmt.Errorf("prepare: %w", err)
	}
	for id := uint64(0); id < 10000; id++ {
		if _, err := rows.ExecContext(ctx, id, fmt.Sprintf("queue %d", id%7), time.UnixMilli(1767225600000+int64(id)).UTC()); err != nil {
			return 0, 0, fmt.Errorf("append: %w", err)
		}
	}
	if err := scope.Commit(); err != nil {
		return 0, 0, fmt.Errorf("send: %w", err)
	}
	var count, sum uint64
	if err := db.QueryRowContext(ctx, "SELECT count(), sum(id) FROM "+table).Scan(&count, &sum); err != nil {
		return 0, 0, fmt.Errorf("count: %w", err)
	}
	return count, sum, nil
}

func count(ctx context.Context, db *sql.DB, query string) (int, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	number := 0
	for rows.Next() {
		number++
	}
	return number, rows.Err()
}

func look(address, compression string) (*seen, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db := open(address, compression, "default")
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("ping: %w", err)
	}
	var err error
	result := &seen{}
	if result.Row, err = types(ctx, db); err != nil {
		return nil, err
	}
	table := "clickhouse_go_" + compression + fmt.Sprint(time.Now().UnixNano())
	if result.Batch, result.BatchSum, err = batch(ctx, db, table); err != nil {
		return nil, err
	}
	streamed, err := count(ctx, db, "SELECT number, toString(number) FROM numbers(200000)")
	if err != nil {
		return nil, fmt.Errorf("streamed: %w", err)
	}
	result.Streamed = uint64(streamed)
	asked := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"queue": "e-mail's"}))
	if err := db.QueryRowContext(asked, "SELECT {queue:String}").Scan(&result.Parameter); err != nil {
		return nil, fmt.Errorf("parameter: %w", err)
	}
	if result.NoRows, err = count(ctx, db, "SELECT number FROM numbers(10) WHERE number > 100"); err != nil {
		return nil, fmt.Errorf("no rows: %w", err)
	}
	if _, err = count(ctx, db, "SELECT nothing_of_that_name"); err == nil {
		return nil, fmt.Errorf("a wrong query gave no error")
	}
	result.Error = strings.SplitN(err.Error(), "\n", 2)[0]
	reader := open(address, compression, "pulssi_reader")
	defer reader.Close()
	if _, err = count(ctx, reader, "CREATE TABLE default.never (id UInt8) ENGINE = Memory"); err == nil {
		return nil, fmt.Errorf("the reader made a table")
	}
	result.Readonly = strings.SplitN(err.Error(), "\n", 2)[0]
	return result, nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: clickhouse_go HOST:PORT none|gzip|lz4|zstd")
		os.Exit(2)
	}
	result, err := look(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(result)
}
