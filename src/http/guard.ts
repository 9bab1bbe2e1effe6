/**
 * Who may ask at all, decided before any route is looked for.
 *
 * **A page of another site must not reach a server on this machine** (DNS rebinding, cross-site requests): the Host has to be a
 * loopback name, an address, or one that was configured; an Origin, where a browser sends one, has to be that of the same
 * server. Cookies are never used, so a token is safe from cross-site requests by itself.
 *
 * The token is compared by its SHA-256: in constant time, whatever its length.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import type { ApiRequest } from './exchange.ts'
import { type Problem, problem } from './problems.ts'

export interface GuardOptions {
  /** Names beside loopback and addresses by which clients may call this server; `*` takes any. */
  readonly allowedHosts: readonly string[]
  /** Where it is set, every route but the probes asks for it. */
  readonly token: string | null
}

export class Guard {
  readonly #allowedHosts: ReadonlySet<string>
  readonly #tokenHash: Uint8Array | null

  constructor({ allowedHosts, token }: GuardOptions) {
    this.#allowedHosts = new Set(allowedHosts.map((host) => host.toLowerCase()))
    this.#tokenHash = token === null ? null : sha256(token)
  }

  /** Why the request is refused, or null. */
  refusal(request: ApiRequest, isOpen: boolean): Problem | null {
    return this.#foreign(request) ?? (isOpen ? null : this.#unauthorized(request))
  }

  #foreign(request: ApiRequest): Problem | null {
    const host = request.header('host') ?? ''
    if (!this.#isOwn(hostName(host)))
      return problem(
        'FOREIGN_HOST',
        `the Host ${quoted(host)} is not a name of this server; call it by its address, or allow the name with --http-allowed-host`,
      )
    const origin = request.header('origin')
    const isCrossSite = request.header('sec-fetch-site') === 'cross-site'
    if (!isCrossSite && (origin === undefined || isSameOrigin(origin, host))) return null
    return problem(
      'FOREIGN_ORIGIN',
      `the request comes from a page of ${quoted(origin ?? 'another site')}; this server answers its own pages only`,
    )
  }

  #isOwn(name: string): boolean {
    return (
      name === 'localhost' ||
      name.endsWith('.localhost') ||
      isAddress(name) ||
      this.#allowedHosts.has(name) ||
      this.#allowedHosts.has('*')
    )
  }

  #unauthorized(request: ApiRequest): Problem | null {
    if (this.#tokenHash === null) return null
    const [, given] = /^Bearer +(\S+) *$/i.exec(request.header('authorization') ?? '') ?? []
    if (given !== undefined && timingSafeEqual(sha256(given), this.#tokenHash)) return null
    const detail =
      given === undefined
        ? 'this server asks for a token; send it as Authorization: Bearer <token>'
        : 'the token is not the one of this server'
    return problem('UNAUTHORIZED', detail, { headers: { 'www-authenticate': 'Bearer' } })
  }
}

/** Without its port; an IPv6 address without its brackets. */
function hostName(host: string): string {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:]*))(?::\d*)?$/i.exec(host) ?? []
  return (bracketed ?? plain ?? '').toLowerCase()
}

/** An address cannot be rebound: no name is looked up. */
function isAddress(name: string): boolean {
  return (
    /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) || (name.includes(':') && /^[0-9a-f:.]+$/.test(name))
  )
}

function isSameOrigin(origin: string, host: string): boolean {
  const [, authority] = /^https?:\/\/(.+)$/i.exec(origin) ?? []
  return authority?.toLowerCase() === host.toLowerCase()
}

/** Somebody else's text, short and without control characters. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
