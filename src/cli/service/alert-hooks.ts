/**
 * What happens when an alert on lag fires or is over: a program, a call on the web, a function of the module.
 *
 * A program gets the alert as JSON on its standard input and in SHOAL_ALERT, SHOAL_ALERT_KIND; a web hook gets the JSON as
 * its body. A hook that fails or takes longer than 30 s is logged and never tried again for this alert: the next one has
 * news. Hooks never hold up the service.
 */

import { spawn } from 'node:child_process'
import type { Logger, Timers } from '../../core/index.ts'
import { messageOf, ShoalError } from '../../core/index.ts'
import type { AlertConfig } from '../config/schema.ts'
import type { LagAlert } from './lag-rules.ts'

/** What hooks are told. */
export interface AlertNotice {
  readonly schema: 'shoal.alert/1'
  readonly kind: LagAlert['kind']
  readonly name: string
  readonly group: string
  readonly records: number
  readonly seconds: number
  /** How long the threshold has been crossed, or had been, milliseconds. */
  readonly forMs: number
}

export type AlertFunction = (notice: AlertNotice) => void | Promise<void>

export interface HookOptions {
  readonly group: string
  readonly logger: Logger
  readonly timers: Timers
  /** The module's own. */
  readonly onAlert: AlertFunction | null
  readonly fetch: (address: string, init: RequestInit) => Promise<Response>
}

const HOOK_LIMIT_MS = 30_000

/** Resolves when every hook of the alert has ended; never rejects. */
export async function tellHooks(alert: LagAlert, options: HookOptions): Promise<void> {
  const { group, logger, timers, onAlert, fetch } = options
  const { exec, webhook, name } = alert.rule as AlertConfig
  const notice: AlertNotice = {
    schema: 'shoal.alert/1',
    kind: alert.kind,
    name,
    group,
    records: alert.sample.records,
    seconds: alert.sample.seconds,
    forMs: alert.forMs,
  }
  const attempt = async (hook: string, run: (late: AbortSignal) => unknown) => {
    const late = new AbortController()
    const timer = timers.schedule(HOOK_LIMIT_MS, () => late.abort())
    try {
      await run(late.signal)
    } catch (error) {
      logger.log('error', 'an alert hook failed', { group, name, hook, error: messageOf(error) })
    } finally {
      timer.cancel()
    }
  }
  await Promise.all([
    onAlert === null ? null : attempt('onAlert', () => onAlert(notice)),
    exec === undefined ? null : attempt('exec', (late) => runProgram(exec, notice, late)),
    webhook === undefined ? null : attempt('webhook', (late) => post(fetch, webhook, notice, late)),
  ])
}

async function post(
  fetch: HookOptions['fetch'],
  address: string,
  notice: AlertNotice,
  late: AbortSignal,
): Promise<void> {
  const response = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(notice),
    signal: late,
  })
  await response.body?.cancel()
  if (!response.ok)
    throw new ShoalError('SHOAL_REQUEST_FAILED', `${address} answered ${response.status}`)
}

function runProgram(
  [command = '', ...args]: readonly string[],
  notice: AlertNotice,
  late: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'ignore', 'inherit'],
      signal: late,
      killSignal: 'SIGKILL',
      env: { ...process.env, SHOAL_ALERT: notice.name, SHOAL_ALERT_KIND: notice.kind },
    })
    child.once('error', reject)
    // A program need not read what it is told.
    child.stdin.on('error', () => {})
    child.stdin.end(JSON.stringify(notice))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else
        reject(
          new ShoalError(
            'SHOAL_REQUEST_FAILED',
            `${command} ended with ${signal ?? `exit code ${code}`}`,
          ),
        )
    })
  })
}
