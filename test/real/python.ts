/**
 * Python programs with three versions of confluent-kafka, the client of the seeds.
 *
 *   debian   1.7.0 on librdkafka 2.0.2, Debian's own package for /usr/bin/python3
 *   2.8.0    in a virtual environment
 *   2.16.1   in a virtual environment, the newest
 */

import { join } from 'node:path'
import { Program, run, type Finished, type ProgramOptions } from './program.ts'
import { CACHE, missingFile } from './services.ts'

export type PythonKind = 'debian' | '2.8.0' | '2.16.1'

export const pythonKinds: readonly PythonKind[] = ['debian', '2.8.0', '2.16.1']

/** Why this Python cannot run, or null. */
export function pythonMissing(kind: PythonKind): string | null {
  return kind === 'debian'
    ? missingFile(
        '/usr/lib/python3/dist-packages/confluent_kafka',
        "Debian's python3-confluent-kafka",
      )
    : missingFile(join(venv(kind), '.complete'), `confluent-kafka ${kind}`)
}

/** Starts a program file, or with `-c` a program text; output is not buffered, so lines come as they are printed. */
export function startPython(
  kind: PythonKind,
  args: readonly string[],
  options: ProgramOptions = {},
): Program {
  return new Program(interpreter(kind), args, {
    ...options,
    env: { PYTHONUNBUFFERED: '1', ...options.env },
  })
}

export async function runPython(
  kind: PythonKind,
  args: readonly string[],
  { limitMs, ...options }: ProgramOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  return startPython(kind, args, options).finished(limitMs)
}

/** The versions of confluent-kafka and librdkafka that a Python has, as the client tells them. */
export async function pythonVersions(kind: PythonKind): Promise<string> {
  const program =
    'import confluent_kafka as c; print((lambda v: v if isinstance(v, str) else v[0])(c.version()), c.libversion()[0])'
  return (await run(interpreter(kind), ['-c', program])).stdout.trim()
}

function interpreter(kind: PythonKind): string {
  return kind === 'debian' ? '/usr/bin/python3' : join(venv(kind), 'bin/python')
}

function venv(kind: PythonKind): string {
  return join(CACHE, `venv-confluent-kafka-${kind}`)
}
