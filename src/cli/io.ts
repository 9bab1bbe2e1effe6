/**
 * The world as a command sees it: streams, environment, folder, signals. A parameter, so that tests run whole commands
 * in process and read what they print.
 *
 * Data goes to `out`, words to `err`. A command that stays (serve, dev, run, consume --follow) waits for `stop`.
 */

import { systemClock, systemTimers, type Clock, type Timers } from '../core/index.ts'

export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly in: AsyncIterable<Uint8Array>
  readonly inIsTerminal: boolean
  readonly errIsTerminal: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly clock: Clock
  readonly timers: Timers
  /** Aborts at the first SIGINT or SIGTERM; the reason is the signal's name. A second signal ends the process at once. */
  readonly stop: AbortSignal
  /** What the command ends with when it does not throw; 0 unless said. */
  setExitCode(code: number): void
}

/** The real world of this process. */
export function processIo(): Io {
  let stop: AbortSignal | undefined
  let out: NodeJS.WriteStream | undefined
  return {
    out: (text) => void (out ??= endingWithItsReader(process.stdout)).write(text),
    err: (text) => void process.stderr.write(text),
    in: process.stdin,
    inIsTerminal: process.stdin.isTTY,
    errIsTerminal: process.stderr.isTTY,
    env: process.env,
    cwd: process.cwd(),
    clock: systemClock,
    timers: systemTimers,
    get stop() {
      return (stop ??= stopOnSignals())
    },
    setExitCode: (code) => void (process.exitCode = code),
  }
}

/** Who reads the data may have seen enough (`| head`): then there is nothing left to do. */
function endingWithItsReader(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return stream.on('error', (error) => {
    if ('code' in error && error.code === 'EPIPE') process.exit()
    throw error
  })
}

/** From now on signals are asked for, not deadly; a command that never looks at `stop` ends at the first one. */
function stopOnSignals(): AbortSignal {
  const stopping = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) process.exit(130)
    stopping.abort(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return stopping.signal
}

/** Resolves with the signal's name once `stop` aborts. */
export function stopped(io: Io): Promise<string> {
  return new Promise((resolve) => {
    const done = () => resolve(String(io.stop.reason))
    if (io.stop.aborted) done()
    else io.stop.addEventListener('abort', done, { once: true })
  })
}
