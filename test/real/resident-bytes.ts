/**
 * How much memory a process has, as Linux tells it.
 */

import { readFileSync } from 'node:fs'

const BYTES_A_KILOBYTE = 1024

/** Resident bytes of the process. @throws when there is no such process */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line === null) throw new Error(`process ${pid} has no memory any more`)
  return Number(line[1]) * BYTES_A_KILOBYTE
}
