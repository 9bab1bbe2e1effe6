/**
 * What the page leaves to the reader: a topic, messages in it, and waiting until a group has shared it out.
 */

import { setTimeout } from 'node:timers/promises'
import { newConsumer, type ConsumerConfig, type PollingConsumer } from 'shoal/client'

/** As on the page; another broker by SHOAL_BROKERS. */
export const brokers: string = process.env['SHOAL_BROKERS'] ?? 'localhost:8080'

export async function createTopic(name: string, partitions: number): Promise<void> {
  await ask('POST', '/topics', { name, num_partitions: partitions })
}

export async function publish(
  topic: string,
  values: readonly string[],
  partition?: number,
): Promise<void> {
  const messages = values.map((value) => ({
    value,
    ...(partition === undefined ? {} : { partition }),
  }))
  await ask('POST', `/topics/${topic}/messages`, { messages })
}

export async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`http://${brokers}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`)
  return response.json()
}

/** A member of a name, with a session short enough that an example need not wait half a minute for the death of another. */
export async function join(
  memberId: string,
  config: Omit<ConsumerConfig, 'brokers'>,
  ports: Parameters<typeof newConsumer>[1] = {},
): Promise<PollingConsumer> {
  return newConsumer(
    { brokers, memberId, sessionTimeout: '2s', heartbeatInterval: '200ms', ...config },
    ports,
  )
}

/** Resolves once these members share so many partitions evenly. */
export async function shared(
  members: readonly PollingConsumer[],
  partitions: number,
): Promise<void> {
  for (;;) {
    await Promise.all(members.map((member) => member.poll({ timeout: 20 })))
    const sizes = members.map(({ assignment }) => assignment.length)
    const isEven = Math.max(...sizes) - Math.min(...sizes) <= 1
    if (isEven && sizes.reduce((sum, size) => sum + size, 0) === partitions) return
    await setTimeout(20)
  }
}

/** `P0, P1`, or what the page says of a member without any. */
export function partitionsOf({ assignment }: PollingConsumer): string {
  const names = assignment.map(({ partition }) => `P${partition}`).toSorted()
  return names.length === 0 ? '(idle - no partitions!)' : names.join(', ')
}

/** A network that can be cut, so that a member dies without a word. */
export function cuttable(): { readonly fetch: typeof fetch; readonly cut: () => void } {
  const cutter = new AbortController()
  return {
    fetch: async (url, init = {}) => {
      const signals = [cutter.signal, init.signal].filter((signal) => signal != null)
      return fetch(url, { ...init, signal: AbortSignal.any(signals) })
    },
    cut: () => cutter.abort(new TypeError('the process is gone')),
  }
}
