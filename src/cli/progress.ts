/**
 * Progress of long work, on stderr: a line that redraws itself on a terminal, otherwise a line every ten seconds.
 */

import type { Io } from './io.ts'

const REDRAW_MS = 100
const LINE_MS = 10_000

export interface Progress {
  add(count: number): void
  /** Ends the line and says the total once. */
  finish(): void
}

export interface ProgressOptions {
  /** What is done to how many of what: `produced` a `record`. */
  readonly verb: string
  readonly unit: string
  readonly quiet?: boolean
}

export function startProgress(io: Io, { verb, unit, quiet = false }: ProgressOptions): Progress {
  const startedMs = io.clock.monotonicMs()
  const redraws = io.errIsTerminal && io.env['CI'] === undefined && io.env['TERM'] !== 'dumb'
  let total = 0
  let shownMs = startedMs
  const line = () => {
    const seconds = (io.clock.monotonicMs() - startedMs) / 1000
    const rate = seconds > 0 ? Math.round(total / seconds) : 0
    const what = total === 1 ? unit : `${unit}s`
    return `${verb} ${total.toLocaleString('en-US')} ${what}, ${rate.toLocaleString('en-US')}/s`
  }
  return {
    add(count) {
      total += count
      const nowMs = io.clock.monotonicMs()
      if (quiet || nowMs - shownMs < (redraws ? REDRAW_MS : LINE_MS)) return
      shownMs = nowMs
      io.err(redraws ? `\r${line()}\u001b[K` : `${line()}\n`)
    },
    finish() {
      if (!quiet) io.err(redraws ? `\r${line()}\u001b[K\n` : `${line()}\n`)
    },
  }
}
