/**
 * Which records of one partition are started with care, and how often each was started without an end: what its commits
 * say of it (`completion/crash-notes.ts`), and whether the broker has heard it.
 *
 *   nothing noted        its last owner left properly: every record just runs, once "at work" is stored
 *   at work              its owner died: what may have run then (`zoneEnd`) starts with care
 *   at work, suspects    it died over one of these
 *
 * A start that ended, however, is no crash: the record is forgotten here. Soft state of one epoch; the notes survive it.
 */

import { MOST_STARTS, MOST_SUSPECTS, SUSPECT_BYTES } from '../completion/crash-notes.ts'
import type { CrashNotes } from '../completion/crash-notes.ts'
import type { Completions } from '../completion/completion-map.ts'

/** How far beyond what the last commit knew a process may have worked when it died. */
const REACH = 10_000
/** Of the metadata, what a map without suspects needs to be of use. */
const OTHER_BYTES = 40

export class PartitionStarts {
  /** Started and not known to have ended: by offset, how often. */
  readonly #counts = new Map<number, number>()
  /** Those of them that run now, with what they had before. */
  readonly #running = new Map<number, number>()
  readonly #survivors = new Set<number>()
  readonly #most: number
  readonly #knownEnd: number
  readonly #diedAtWork: boolean
  #zoneEnd: number | null = null
  #atWork = true
  /** Rises with all that must be stored before something starts, or when the owner leaves. */
  version = 1
  storedVersion = 0

  /** @param mapLength how long the metadata may be. */
  constructor(startOffset: number, known: Completions | null, mapLength: number) {
    const room = Math.floor(((mapLength * 3) / 4 - OTHER_BYTES) / SUSPECT_BYTES)
    this.#most = Math.max(1, Math.min(MOST_SUSPECTS, room))
    this.#knownEnd = Math.max(startOffset, known?.end ?? 0)
    this.#diedAtWork = known?.crashes?.atWork ?? false
    for (const { offset, starts } of known?.crashes?.suspects ?? [])
      if (offset >= startOffset) this.#counts.set(offset, starts)
  }

  /** Whether the last owner left something to be careful with. */
  get needsCare(): boolean {
    return this.#diedAtWork || this.#counts.size > 0
  }

  /** What the notes take at most. */
  get mostBytes(): number {
    return 1 + this.#most * SUSPECT_BYTES
  }

  get suspectCount(): number {
    return this.#counts.size
  }

  /** Where the records end that the last owner may have been at; known once some have arrived. */
  zoneEnd(endOffset: number): number {
    this.#zoneEnd ??= this.#diedAtWork ? Math.min(endOffset, this.#knownEnd + REACH) : 0
    return this.#zoneEnd
  }

  isSuspicious(offset: number, endOffset: number): boolean {
    if (this.#counts.has(offset)) return true
    return offset < this.zoneEnd(endOffset) && !this.#survivors.has(offset)
  }

  startsOf(offset: number): number {
    return this.#counts.get(offset) ?? 0
  }

  /** Notes that a record is about to start. False: there is no room to note it now. */
  begin(offset: number): boolean {
    if (!this.#counts.has(offset) && this.#counts.size >= this.#most && !this.#makeRoom())
      return false
    const before = this.startsOf(offset)
    this.#running.set(offset, before)
    this.#counts.set(offset, Math.min(before + 1, MOST_STARTS))
    this.version++
    return true
  }

  /** The process outlived the start. */
  survived(offset: number): void {
    this.#running.delete(offset)
    this.#counts.delete(offset)
    this.#survivors.add(offset)
  }

  /** It was noted and did not start after all. */
  undo(offset: number): void {
    const before = this.#running.get(offset)
    if (before === undefined) return
    this.#running.delete(offset)
    if (before === 0) this.#counts.delete(offset)
    else this.#counts.set(offset, before)
  }

  /** Whoever starts the consumer again after it stopped over this record wants to see it run once more. */
  grantOne(offset: number): void {
    this.#counts.set(offset, Math.max(1, this.startsOf(offset) - 1))
  }

  /** The owner leaves alive: what runs is not to blame for anything. */
  leave(): void {
    if (!this.#atWork) return
    for (const offset of this.#running.keys()) this.undo(offset)
    this.#atWork = false
    this.version++
  }

  /** Nothing below is open any more. */
  forgetBelow(offset: number): void {
    for (const each of this.#counts.keys()) if (each < offset) this.#counts.delete(each)
  }

  /** What a commit of this position says; undefined when there is nothing to say. */
  notes(committed: number): CrashNotes | undefined {
    this.forgetBelow(committed)
    if (!this.#atWork && this.#counts.size === 0) return undefined
    const suspects = [...this.#counts].map(([offset, starts]) => ({ offset, starts }))
    return { atWork: this.#atWork, suspects: suspects.toSorted((a, b) => a.offset - b.offset) }
  }

  /** The suspect that is known least gives way. */
  #makeRoom(): boolean {
    const idle = [...this.#counts].filter(([offset]) => !this.#running.has(offset))
    const least = idle.toSorted((a, b) => a[1] - b[1])[0]
    return least !== undefined && this.#counts.delete(least[0])
  }
}
