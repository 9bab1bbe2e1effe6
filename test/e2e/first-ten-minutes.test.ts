/**
 * The README's first ten minutes, as they stand there: its files written, its commands run one after the other in a shell,
 * in a folder of its own. Only the ports are others, and `npm run` is the command line itself.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { waitFor } from 'shoal/testing'
import { GENEROUS_LIMIT_MS, Program, run } from '../real/program.ts'
import { freePorts, ROOT } from '../real/services.ts'

const CLI = `node --disable-warning=ExperimentalWarning --conditions=@shoal/source ${join(ROOT, 'src/cli/main.ts')}`

let folder: string
let blocks: readonly string[]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-ten-minutes-'))
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const [, section = ''] = /^## A service in ten minutes\n([^]*?)^## /m.exec(readme) ?? []
  const [kafka, http, metrics] = await freePorts(3)
  blocks = [...section.matchAll(/^```\w+\n([^]*?)^```/gm)].map(([, text = '']) =>
    text
      .replace('shoal dev', `shoal dev --kafka-port ${kafka} --http-port ${http}`)
      .replaceAll('localhost:9092', `localhost:${kafka}`)
      .replaceAll('9464', String(metrics)),
  )
})

after(() => rm(folder, { recursive: true, force: true }))

describe('the first ten minutes of the README', () => {
  test('do what they say, command by command', async () => {
    const [worker = '', env = '', start = '', look = '', ledger = '', ...more] = blocks
    assert.deepEqual(more, [])
    assert.match(worker, /^\/\/ worker\.ts\n/)
    assert.match(env, /^# \.env\n/)
    await writeFile(join(folder, 'worker.ts'), worker)
    await writeFile(join(folder, '.env'), env)

    await using started = shell(patient(start))
    // Both orders have an end: one is charged, one is a dead letter.
    await started.until(({ stderr }) => stderr.includes('charging o-1'))
    await started.until(({ stderr }) => stderr.includes('a record went to the dead letters'))

    const seen = await waitFor(
      async () => {
        const { stdout } = await run('bash', ['-c', script(look)], { cwd: folder })
        return stdout.includes('outcome="dead_letter"} 1') && stdout
      },
      { limitMs: 2 * GENEROUS_LIMIT_MS },
    )
    assert.match(seen, /^\{"status":"pass","checks":\{"group":\{"status":"pass"/)
    assert.match(seen, /^shoal_records_processed_total\{.*outcome="ok"\} 1$/m)
    assert.match(seen, /^GROUP +TOPIC +PARTITION +CURRENT-OFFSET/m)
    assert.match(seen, /"value":"\{\\"id\\":\\"o-2\\"\}"/)
    assert.match(seen, /an order without an amount/)

    const judged = await run('bash', ['-c', script(ledger)], {
      cwd: folder,
      limitMs: 4 * GENEROUS_LIMIT_MS,
    })
    assert.equal(judged.exitCode, 0, judged.stderr)
    assert.match(judged.stdout, /^PASSED: nothing lost, nothing out of order$/m)
  })
})

/** `wait` keeps the shell until it is stopped, and with it what it started. */
function shell(text: string): Program {
  const stop = 'trap "kill 0" TERM INT\n'
  return new Program('setsid', ['bash', '-c', `${stop}${script(text)}\nwait`], { cwd: folder })
}

/** A person waits for the broker before typing on; here the next command tries longer. */
function patient(text: string): string {
  return text.replaceAll(/^(shoal topics .*)$/gm, '$1 --timeout 60s')
}

function script(text: string): string {
  const define = `shoal() { ${CLI} "$@"; }`
  return `${define}\n${text.replace(/^shoal\(\) .*$/m, '')}`
}
