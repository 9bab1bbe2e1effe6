import assert from 'node:assert/strict'
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { memoryLogger, systemTimers, VirtualClock } from '../../core/index.ts'
import { type AlertNotice, type HookOptions, tellHooks } from './alert-hooks.ts'
import type { LagAlert } from './lag-rules.ts'

const expected: AlertNotice = {
  schema: 'shoal.alert/1',
  kind: 'firing',
  name: 'behind',
  group: 'billing',
  records: 500,
  seconds: 12.5,
  forMs: 30_000,
}

describe('the hooks of an alert', () => {
  test('a function of the module gets the notice', async () => {
    const told: AlertNotice[] = []
    const logger = await tell({}, { onAlert: (notice) => void told.push(notice) })
    assert.deepEqual([told, logger.lines], [[expected], []])
  })

  test('a web hook gets it as JSON', async () => {
    const calls: unknown[] = []
    const fetch: HookOptions['fetch'] = async (address, { method, headers, body }) => {
      calls.push([address, method, headers, JSON.parse(body as string)])
      return new Response('thanks')
    }
    await tell({ webhook: 'https://hooks.example/x' }, { fetch })
    const headers = { 'content-type': 'application/json' }
    assert.deepEqual(calls, [['https://hooks.example/x', 'POST', headers, expected]])
  })

  test('a program gets it on its input and by name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-hook-'))
    try {
      const file = join(folder, 'notice')
      const script = `{ cat; echo; echo "$SHOAL_ALERT $SHOAL_ALERT_KIND"; } > '${file}'`
      const logger = await tell({ exec: ['/bin/sh', '-c', script] })
      const [json = '', names] = readFileSync(file, 'utf8').split('\n')
      assert.deepEqual([JSON.parse(json), names], [expected, 'behind firing'])
      assert.deepEqual(logger.lines, [])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('a program that takes too long is killed', async () => {
    const clock = new VirtualClock()
    const telling = tell({ exec: ['/bin/sleep', '1000'] }, { timers: clock })
    await clock.advance(30_000)
    const logger = await telling
    assert.match(String(logger.lines[0]?.fields['error']), /aborted/)
  })

  const failures = [
    ['a function that throws', {}, /out of order/],
    ['a web hook that refuses', { webhook: 'https://hooks.example/x' }, /answered 500/],
    ['a program that fails', { exec: ['/bin/sh', '-c', 'exit 3'] }, /ended with exit code 3/],
    ['a program that does not exist', { exec: ['/no/such/program'] }, /ENOENT/],
  ] as const
  for (const [what, hooks, words] of failures)
    test(`${what} is logged and harms nothing else`, async () => {
      const logger = await tell(hooks, {
        fetch: async () => new Response('no', { status: 500 }),
        onAlert:
          Object.keys(hooks).length > 0 ? null : () => Promise.reject(new Error('out of order')),
      })
      assert.deepEqual(
        logger.lines.map(({ level, message }) => [level, message]),
        [['error', 'an alert hook failed']],
      )
      assert.match(String(logger.lines[0]?.fields['error']), words)
    })
})

async function tell(
  hooks: { readonly exec?: readonly string[]; readonly webhook?: string },
  options: Partial<HookOptions> = {},
) {
  const logger = memoryLogger()
  const rule = { name: 'behind', records: 100, for: 0, ...hooks }
  const alert: LagAlert = {
    kind: 'firing',
    rule,
    sample: { records: 500, seconds: 12.5 },
    forMs: 30_000,
  }
  const fetch = () => Promise.reject(new Error('nobody calls'))
  await tellHooks(alert, {
    group: 'billing',
    logger,
    timers: systemTimers,
    onAlert: null,
    fetch,
    ...options,
  })
  return logger
}
