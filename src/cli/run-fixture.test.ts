/** A command line that runs in the process of its test: without a terminal, without an environment, never interrupted. */

import { systemClock, systemTimers } from '../core/index.ts'
import type { Io } from './io.ts'
import { runCommandLine } from './program.ts'

/** What it wrote, and the exit code that it left. */
export async function runHere(args: readonly string[]) {
  let [out, err, exitCode] = ['', '', 0]
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    in: (async function* () {})(),
    inIsTerminal: false,
    errIsTerminal: false,
    env: {},
    cwd: import.meta.dirname,
    clock: systemClock,
    timers: systemTimers,
    stop: new AbortController().signal,
    setExitCode: (code) => void (exitCode = code),
  }
  await runCommandLine(io, args)
  return { out, err, exitCode }
}
