/**
 * Receipt handles: which delivery of which record, to whom, under a signature.
 *
 *   base64url( [group, member, topic id, partition, offset, delivery count, state epoch] as JSON · HMAC-SHA-256, 16 bytes )
 *
 * Opaque to clients. The key is made at a folder's first start and kept in its journal, so handles outlive a restart; the
 * lock does not, and the state says so. A handle is no secret from its holder: it proves that this broker gave it out.
 */

import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Random } from '../../core/index.ts'
import { assertInvariant, ShoalError } from '../../core/index.ts'
import type { LogStore, StateMachine } from '../../log/index.ts'

export interface Receipt {
  readonly groupId: string
  readonly memberId: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly deliveryCount: number
  readonly stateEpoch: number
}

const MACHINE = 'receipt-key'
const KEY_BYTES = 32
const SIGNATURE_BYTES = 16
/** Ids of groups and members have at most 255 characters over HTTP, 6 bytes each at worst; what is longer was not made here. */
const MAX_HANDLE_LENGTH = 8_192

export class ReceiptKey {
  #key: Uint8Array | null = null
  /** Made once: from bytes, signing takes four times as long. */
  #secret: KeyObject | null = null

  get isKnown(): boolean {
    return this.#key !== null
  }

  replay(key: Uint8Array): void {
    if (key.length !== KEY_BYTES)
      throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'the key of receipt handles is damaged')
    assertInvariant(this.#key === null, 'the key of receipt handles is made twice')
    this.#key = Uint8Array.from(key)
    this.#secret = createSecretKey(this.#key)
  }

  *snapshot(): IterableIterator<Uint8Array> {
    if (this.#key !== null) yield this.#key
  }

  handleOf(receipt: Receipt): string {
    const { groupId, memberId, topicId, partition, offset, deliveryCount, stateEpoch } = receipt
    const fields = [groupId, memberId, topicId, partition, offset, deliveryCount, stateEpoch]
    const body = Buffer.from(JSON.stringify(fields))
    return Buffer.concat([body, this.#signatureOf(body)]).toString('base64url')
  }

  /** Null for what is not a handle of this broker. */
  receiptOf(handle: string): Receipt | null {
    if (handle.length > MAX_HANDLE_LENGTH || !/^[A-Za-z0-9_-]+$/.test(handle)) return null
    const bytes = Buffer.from(handle, 'base64url')
    if (bytes.length <= SIGNATURE_BYTES) return null
    const body = bytes.subarray(0, -SIGNATURE_BYTES)
    if (!timingSafeEqual(this.#signatureOf(body), bytes.subarray(-SIGNATURE_BYTES))) return null
    // Signed, so it is what was written.
    const fields = JSON.parse(body.toString()) as [
      ...texts: [string, string, string],
      ...numbers: [number, number, number, number],
    ]
    const [groupId, memberId, topicId, partition, offset, deliveryCount, stateEpoch] = fields
    return { groupId, memberId, topicId, partition, offset, deliveryCount, stateEpoch }
  }

  #signatureOf(body: Uint8Array): Uint8Array {
    assertInvariant(this.#secret !== null, 'the key of receipt handles is not known yet')
    return createHmac('sha256', this.#secret).update(body).digest().subarray(0, SIGNATURE_BYTES)
  }
}

/** The key as a machine of the journal. */
export function receiptMachine(key: ReceiptKey): StateMachine {
  return {
    name: MACHINE,
    replay: (bytes) => key.replay(bytes),
    snapshot: () => key.snapshot(),
  }
}

/** Call once, when the journal is replayed: a first start makes the key. */
export function ensureReceiptKey(
  key: ReceiptKey,
  logs: Pick<LogStore, 'appendMetadata'>,
  random: Random,
): void {
  if (key.isKnown) return
  const bytes = random.bytes(KEY_BYTES)
  logs.appendMetadata(MACHINE, [bytes])
  key.replay(bytes)
}
