/**
 * Files and folders of the simulated disk, and what a crash leaves of them.
 *
 * | model | of what no sync covered, a crash keeps |
 * | --- | --- |
 * | process | everything, and it is still not synced: the process died, the kernel did not |
 * | nothing | nothing |
 * | everything | everything |
 * | torn | everything but the end of the very last operation, cut at a byte, at 512 or at 4,096 |
 * | prefix | of each file and folder the first few operations, the last of them torn |
 * | subset | any operations of any file and folder, some of them with holes in units of 512 |
 * | zeros | the sizes, with zeros where bytes were added (delayed allocation), and any folder operations |
 *
 * Folder operations are kept or lost apart from the files' bytes: a name without its bytes, bytes without their name, a
 * removed file that is back.
 */

import type { Random } from '../core/index.ts'
import { randomBelow } from '../core/index.ts'

export const crashModels = [
  'process',
  'nothing',
  'everything',
  'torn',
  'prefix',
  'subset',
  'zeros',
] as const

export type CrashModel = (typeof crashModels)[number]

/** Operations carry the disk's running number of changes as their `order`. */
interface Crash {
  readonly model: CrashModel
  readonly random: Random
  /** The last operation on the whole disk: what was under way. */
  readonly inFlight: number
}

type FileOperation =
  | {
      readonly order: number
      readonly kind: 'write'
      readonly position: number
      readonly bytes: Uint8Array
    }
  | { readonly order: number; readonly kind: 'truncate'; readonly size: number }

interface FolderChange {
  readonly name: string
  /** Null: the name is gone. */
  readonly node: SimNode | null
}

export type SimNode = SimFile | SimFolder

/** A file's bytes at one moment. Copies share them until one of the two is changed. */
class Image {
  #bytes = new Uint8Array(0)
  #isShared = false
  size = 0

  contents(): Uint8Array {
    return this.#bytes.subarray(0, this.size)
  }

  copy(): Image {
    const copy = new Image()
    copy.#bytes = this.#bytes
    copy.size = this.size
    copy.#isShared = this.#isShared = true
    return copy
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length
    this.#own(end)
    this.#bytes.set(bytes, position)
    this.size = Math.max(this.size, end)
  }

  truncate(size: number): void {
    this.#own(size)
    if (size < this.size) this.#bytes.fill(0, size, this.size)
    this.size = size
  }

  /** Bytes of its own, room for `size` of them; those behind the end are zeros. */
  #own(size: number): void {
    const isRoom = size <= this.#bytes.length
    if (isRoom && !this.#isShared) return
    const length = isRoom ? this.#bytes.length : Math.max(size, this.#bytes.length * 2, 256)
    const own = new Uint8Array(length)
    own.set(this.contents())
    this.#bytes = own
    this.#isShared = false
  }
}

export class SimFile {
  #live = new Image()
  #durable = new Image()
  #unsynced: FileOperation[] = []

  get size(): number {
    return this.#live.size
  }

  contents(): Uint8Array {
    return Uint8Array.from(this.#live.contents())
  }

  overwrite(contents: Uint8Array): void {
    for (const image of [this.#live, this.#durable]) {
      image.truncate(0)
      image.write(0, contents)
    }
    this.#unsynced = []
  }

  read(position: number, target: Uint8Array): number {
    const found = this.#live.contents().subarray(position, position + target.length)
    target.set(found)
    return found.length
  }

  write(position: number, bytes: Uint8Array, order: number): void {
    this.#live.write(position, bytes)
    this.#unsynced.push({ order, kind: 'write', position, bytes })
  }

  truncate(size: number, order: number): void {
    this.#live.truncate(size)
    this.#unsynced.push({ order, kind: 'truncate', size })
  }

  lastOperation(): number {
    return this.#unsynced.at(-1)?.order ?? 0
  }

  /** Makes durable what was written when the sync began. */
  sync(upTo: number): void {
    const covered = this.#unsynced.findLastIndex(({ order }) => order <= upTo) + 1
    for (const operation of this.#unsynced.splice(0, covered)) apply(this.#durable, operation)
  }

  /** What a failed sync may do: the pages count as clean, their bytes are nowhere but in memory. */
  forgetUnsynced(): void {
    this.#unsynced = []
  }

  afterCrash(crash: Crash): SimFile {
    const after = new SimFile()
    after.#durable = this.#durable.copy()
    if (crash.model === 'process') {
      after.#live = this.#live.copy()
      after.#unsynced = [...this.#unsynced]
      return after
    }
    if (crash.model === 'zeros') {
      if (this.#live.size > after.#durable.size) after.#durable.truncate(this.#live.size)
    } else {
      for (const operation of kept(this.#unsynced, crash))
        for (const part of torn(operation, this.#unsynced, crash)) apply(after.#durable, part)
    }
    after.#live = after.#durable.copy()
    return after
  }
}

export class SimFolder {
  #live = new Map<string, SimNode>()
  #durable = new Map<string, SimNode>()
  #unsynced: { readonly order: number; readonly changes: readonly FolderChange[] }[] = []

  get(name: string): SimNode | undefined {
    return this.#live.get(name)
  }

  list(): readonly { readonly name: string; readonly isFolder: boolean }[] {
    return [...this.#live].map(([name, node]) => ({ name, isFolder: node instanceof SimFolder }))
  }

  *files(prefix: string): Generator<readonly [string, SimFile]> {
    for (const [name, node] of this.#live) {
      if (node instanceof SimFile) yield [prefix + name, node]
      else yield* node.files(`${prefix}${name}/`)
    }
  }

  change(changes: readonly FolderChange[], order: number): void {
    applyChanges(this.#live, changes)
    this.#unsynced.push({ order, changes })
  }

  lose(name: string): void {
    this.#live.delete(name)
    this.#durable.delete(name)
    this.#unsynced = []
  }

  sync(): void {
    for (const { changes } of this.#unsynced.splice(0)) applyChanges(this.#durable, changes)
  }

  lastOperation(): number {
    let last = this.#unsynced.at(-1)?.order ?? 0
    for (const node of this.#live.values()) last = Math.max(last, node.lastOperation())
    return last
  }

  /** `copies` keeps a file that has two names one file. */
  afterCrash(crash: Crash, copies: Map<SimNode, SimNode>): SimFolder {
    const copyOf = (node: SimNode): SimNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      const copy = node instanceof SimFile ? node.afterCrash(crash) : node.afterCrash(crash, copies)
      copies.set(node, copy)
      return copy
    }
    const copyNames = (names: ReadonlyMap<string, SimNode>) =>
      new Map([...names].map(([name, node]) => [name, copyOf(node)]))
    const after = new SimFolder()
    if (crash.model === 'process') {
      after.#live = copyNames(this.#live)
      after.#durable = copyNames(this.#durable)
      after.#unsynced = this.#unsynced.map(({ order, changes }) => ({
        order,
        changes: changes.map(({ name, node }) => ({ name, node: node && copyOf(node) })),
      }))
      return after
    }
    const names = new Map(this.#durable)
    for (const { changes } of kept(this.#unsynced, crash)) applyChanges(names, changes)
    after.#live = copyNames(names)
    after.#durable = new Map(after.#live)
    return after
  }
}

function kept<Operation extends { readonly order: number }>(
  unsynced: readonly Operation[],
  { model, random }: Crash,
): readonly Operation[] {
  switch (model) {
    case 'nothing':
      return []
    case 'prefix':
      return unsynced.slice(0, randomBelow(random, unsynced.length + 1))
    case 'subset':
    case 'zeros':
      return unsynced.filter(() => random.next() < 0.5)
    case 'process':
    case 'everything':
    case 'torn':
      return unsynced
  }
}

/** What of a kept operation reached the disk, as the operations that have the same effect. */
function torn(
  operation: FileOperation,
  unsynced: readonly FileOperation[],
  { model, random, inFlight }: Crash,
): readonly FileOperation[] {
  if (operation.kind === 'truncate') return [operation]
  const isLast =
    model === 'torn' ? operation.order === inFlight : operation.order === unsynced.at(-1)?.order
  if ((model === 'torn' || model === 'prefix') && isLast) return [cut(operation, random)]
  if (model === 'subset' && random.next() < 0.5) return sectors(operation, random)
  return [operation]
}

type Write = Extract<FileOperation, { readonly kind: 'write' }>

function cut(operation: Write, random: Random): Write {
  const unit = [1, 512, 4_096][randomBelow(random, 3)] ?? 1
  const end = operation.position + randomBelow(random, operation.bytes.length + 1)
  const length = Math.max(0, Math.floor(end / unit) * unit - operation.position)
  return { ...operation, bytes: operation.bytes.subarray(0, length) }
}

function sectors(operation: Write, random: Random): readonly Write[] {
  const parts: Write[] = []
  const end = operation.position + operation.bytes.length
  for (let from = operation.position; from < end;) {
    const to = Math.min(end, (Math.floor(from / 512) + 1) * 512)
    const bytes = operation.bytes.subarray(from - operation.position, to - operation.position)
    if (random.next() < 0.5) parts.push({ ...operation, position: from, bytes })
    from = to
  }
  return parts
}

function apply(image: Image, operation: FileOperation): void {
  if (operation.kind === 'truncate') image.truncate(operation.size)
  else if (operation.bytes.length > 0) image.write(operation.position, operation.bytes)
}

function applyChanges(names: Map<string, SimNode>, changes: readonly FolderChange[]): void {
  for (const { name, node } of changes) {
    if (node === null) names.delete(name)
    else names.set(name, node)
  }
}
