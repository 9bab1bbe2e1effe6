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

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

/** Several at once: asked for one after the other, the same one may come twice. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(servers.map(listeningPort))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function listeningPort(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no port'))
    })
  })
}
