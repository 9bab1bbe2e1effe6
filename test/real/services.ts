/**
 * What a test may count on: which foreign services are installed, and what happens when one is not.
 *
 * `scripts/install-test-services` installs them all. On a developer's machine a missing one skips its tests with the
 * reason; on CI (CI=true) it fails them: a test that silently stopped running proves nothing.
 */

import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { join, resolve } from 'node:path'

export const ROOT: string = resolve(import.meta.dirname, '../..')
export const CACHE: string = join(ROOT, '.cache')

/** Options for `describe` or `test` of what needs a service. @param missing why it cannot run, or null. */
export function needs(missing: string | null): { readonly skip?: string } {
  if (missing === null) return {}
  if (process.env['CI'] === 'true') throw new Error(`${missing}; CI must have it`)
  return { skip: missing }
}

/** Why something that `scripts/install-test-services` installs is not there, or null when it is. */
export function missingFile(path: string, what: string): string | null {
  return existsSync(path) ? null : `${what} is not installed (run scripts/install-test-services)`
}

/**
 * Where tests take ports from: below those that Linux gives to clients and to listeners on port 0, so that nobody gets one of
 * them by chance between its choice and its use, or while a server that was killed comes back.
 *
 *   11000 ─ block of process A ─ 11100 ─ block of process B ─ 11200 … 32000
 *
 * A process owns the block whose first port it listens on; no two test files choose from the same.
 */
const FIRST_PORT = 11_000
const BLOCK_PORTS = 100
const BLOCKS = 210

let block: Promise<number> | undefined
let taken = 0

/** A port that is free, and that nobody else is given. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

/** Several of them. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const first = await (block ??= ownBlock())
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > BLOCK_PORTS) throw new Error(`no free ports from ${first} on`)
    const port = first + 1 + (taken++ % (BLOCK_PORTS - 1))
    const probe = await listening(port)
    if (probe === null) continue
    await new Promise((resolve) => probe.close(resolve))
    ports.push(port)
  }
  return ports
}

/** The first port of a block that stays this process's own to its end. */
async function ownBlock(): Promise<number> {
  for (let tries = 0; tries < BLOCKS; tries++) {
    const first = FIRST_PORT + ((process.pid + tries) % BLOCKS) * BLOCK_PORTS
    const holder = await listening(first)
    if (holder === null) continue
    holder.unref()
    return first
  }
  throw new Error('no block of ports is free')
}

/** A server on the port of every address, or null where somebody else is. */
function listening(port: number): Promise<Server | null> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(null) : reject(error),
    )
    server.listen(port, () => resolve(server))
  })
}
