/**
 * Dedupe stores: in memory, over Redis, over SQL. The last two bring no client: they speak through one function of yours.
 */

import { ShoalError, systemClock } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import type { DedupeStore } from './dedupe-store.ts'

interface Entry {
  /** null: done. */
  readonly owner: string | null
  readonly untilMs: number
}

export interface MemoryDedupeOptions {
  /** Keys to remember; the oldest go first. Default 100,000. */
  readonly maxKeys?: number
  readonly clock?: Clock
}

/** For tests, and for one process that may forget everything when it ends. */
export function memoryDedupeStore({
  maxKeys = 100_000,
  clock = systemClock,
}: MemoryDedupeOptions = {}): DedupeStore {
  const entries = new Map<string, Entry>()
  const put = (key: string, entry: Entry) => {
    // The order of a map is the order of insertion: what was written last goes to the end.
    entries.delete(key)
    entries.set(key, entry)
    for (const oldest of entries.keys()) {
      if (entries.size <= maxKeys) break
      entries.delete(oldest)
    }
  }
  return {
    claim: async (key, owner, leaseMs) => {
      const nowMs = clock.monotonicMs()
      const known = entries.get(key)
      if (known !== undefined && known.untilMs > nowMs) {
        if (known.owner === null) return 'done'
        if (known.owner !== owner) return 'busy'
      }
      put(key, { owner, untilMs: nowMs + leaseMs })
      return 'new'
    },
    done: async (key, _owner, ttlMs) => {
      put(key, { owner: null, untilMs: clock.monotonicMs() + ttlMs })
    },
    release: async (key, owner) => {
      if (entries.get(key)?.owner === owner) entries.delete(key)
    },
  }
}

export interface RedisDedupeOptions {
  /**
   * Sends one command and gives its answer, texts as strings: `(...args) => redis.call(...args)` with ioredis,
   * `(...args) => client.sendCommand(args.map(String))` with node-redis.
   */
  readonly command: (...args: (string | number)[]) => Promise<unknown>
  /** Before every key; default `shoal:dedupe:`. */
  readonly prefix?: string
}

/** What a key holds when its record is done; a claim holds its owner behind a letter. */
const DONE = 'done'
const RELEASE =
  "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
const CLAIMED = 'c:'

export function redisDedupeStore({
  command,
  prefix = 'shoal:dedupe:',
}: RedisDedupeOptions): DedupeStore {
  return {
    claim: async (key, owner, leaseMs) => {
      const mine = CLAIMED + owner
      // The key may go between the two commands: then it is free, and the next round takes it.
      for (;;) {
        const taken = await command('SET', prefix + key, mine, 'NX', 'PX', Math.ceil(leaseMs))
        if (taken !== null) return 'new'
        const held = await command('GET', prefix + key)
        if (held === null) continue
        if (held === mine) return 'new'
        return held === DONE ? 'done' : 'busy'
      }
    },
    done: async (key, _owner, ttlMs) => {
      await command('SET', prefix + key, DONE, 'PX', Math.ceil(ttlMs))
    },
    release: async (key, owner) => {
      await command('EVAL', RELEASE, 1, prefix + key, CLAIMED + owner)
    },
  }
}

export interface SqlDedupeOptions {
  /** Runs one statement and gives its rows. */
  readonly query: (
    text: string,
    parameters: readonly (string | number)[],
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Default `shoal_dedupe`. Made by `sqlDedupeTable(name)`. */
  readonly table?: string
  /** The nth parameter of a statement, from 1; default `?`. PostgreSQL: `(index) => '$' + index`. */
  readonly placeholder?: (index: number) => string
  readonly clock?: Clock
}

/** The statement that makes the table. */
export function sqlDedupeTable(table = 'shoal_dedupe'): string {
  return `create table if not exists ${tableName(table)} (id varchar(512) primary key, owner varchar(1024) not null, done integer not null, until_ms bigint not null)`
}

/** For databases that know `insert … on conflict do nothing`: PostgreSQL, SQLite. Times are those of the caller's clock. */
export function sqlDedupeStore({
  query,
  table = 'shoal_dedupe',
  placeholder = () => '?',
  clock = systemClock,
}: SqlDedupeOptions): DedupeStore {
  const name = tableName(table)
  const p = placeholder
  return {
    claim: async (key, owner, leaseMs) => {
      const nowMs = clock.wallMs()
      await query(`delete from ${name} where id = ${p(1)} and until_ms <= ${p(2)}`, [key, nowMs])
      await query(
        `insert into ${name} (id, owner, done, until_ms) values (${p(1)}, ${p(2)}, 0, ${p(3)}) on conflict (id) do nothing`,
        [key, owner, nowMs + leaseMs],
      )
      const [row] = await query(`select owner, done from ${name} where id = ${p(1)}`, [key])
      if (row === undefined) return 'busy'
      if (Number(row['done']) === 1) return 'done'
      return row['owner'] === owner ? 'new' : 'busy'
    },
    done: async (key, owner, ttlMs) => {
      const untilMs = clock.wallMs() + ttlMs
      await query(
        `insert into ${name} (id, owner, done, until_ms) values (${p(1)}, ${p(2)}, 1, ${p(3)}) on conflict (id) do update set done = 1, until_ms = excluded.until_ms`,
        [key, owner, untilMs],
      )
    },
    release: async (key, owner) => {
      await query(`delete from ${name} where id = ${p(1)} and owner = ${p(2)} and done = 0`, [
        key,
        owner,
      ])
    },
  }
}

/** It becomes part of statements, so it has to be a name and nothing else. */
function tableName(table: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?$/.test(table)) return table
  throw new ShoalError('SHOAL_INVALID_ARGUMENT', `'${table}' is no name of a table`)
}
