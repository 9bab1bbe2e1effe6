/**
 * The crash ledger on Redis and on RabbitMQ, with the workers of `kill-runtime.test.ts` as they are: only the URL is another.
 *
 * A failing run prints its seed; SHOAL_SEED repeats its moments. A push does 800 records; SHOAL_LEDGER_RECORDS=4000 is the whole.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { crashLedger } from 'shoal/testing'
import type { CrashReport } from 'shoal/testing'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { needs } from '../real/services.ts'
import { shoal } from '../real/shoal.ts'

const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261_121)
const RECORDS = Number(process.env['SHOAL_LEDGER_RECORDS'] ?? 800)
/** A dead member's shards wait for it no longer than this. */
const SESSION_TIMEOUT_MS = 1_500
const worker = join(import.meta.dirname, 'ledger-worker.ts')

const backends = [
  {
    name: 'Redis',
    missing: redisMissing(),
    start: () => RedisServer.start(),
    bare: 'redis:',
    variable: 'REDIS_URL',
  },
  {
    name: 'RabbitMQ',
    missing: rabbitmqMissing(),
    start: () => RabbitMqServer.start(),
    bare: 'amqp:',
    variable: 'RABBITMQ_URL',
  },
] as const

describe(`the runtime under the crash ledger on other brokers (seed ${SEED})`, () => {
  for (const { name, missing, start, bare, variable } of backends)
    test(
      `on ${name}: SIGKILLs and a SIGSTOP lose nothing and disorder nothing`,
      needs(missing),
      async (context) => {
        await using server = await start()
        const report = await crashLedger({
          module: new URL(`file://${worker}`),
          brokers: server.url,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          records: RECORDS,
          members: 2,
          kills: 3,
          stops: 1,
          seed: SEED,
        })
        context.diagnostic(`3 SIGKILLs and a SIGSTOP: ${told(report)}`)
        const { lost, outOfOrder, unexpectedExits, done, order } = report
        assert.deepEqual(
          { lost, outOfOrder, unexpectedExits, done, order },
          { lost: [], outOfOrder: [], unexpectedExits: [], done: RECORDS, order: 'key' },
        )
        assert.ok(report.passed)

        // Side by side, without any order, from the command line with the address in the environment.
        const few = ['--records', '400', '--kills', '1', '--session-timeout', '1500ms']
        const asked = [...few, '--sharing', 'competing', '--json', '--quiet']
        const { exitCode, stdout, stderr } = await shoal(['ledger', worker, '-b', bare, ...asked], {
          env: { [variable]: server.url },
        })
        assert.equal(exitCode, 0, `${stdout}\n${stderr}`)
        const competing = JSON.parse(stdout) as CrashReport
        context.diagnostic(`competing, a SIGKILL: ${told(competing)}`)
        assert.deepEqual(
          [competing.done, competing.lost, competing.order, competing.passed],
          [400, [], 'none', true],
        )
      },
    )
})

function told({ done, lost, outOfOrder, repeated, inFlight, durationMs }: CrashReport): string {
  return `done ${done}, lost ${lost.length}, out of order ${outOfOrder.length}, repeated ${repeated}, in flight ${inFlight}, ${Math.round(durationMs)} ms`
}
