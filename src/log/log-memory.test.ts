import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogMemory, type MemoryHolder } from './log-memory.ts'

test('memory that is short is given by those who used it longest ago, as much as is needed', () => {
  const memory = new LogMemory({ limitBytes: 800 })
  const [resting, busy] = [holder(memory), holder(memory)]
  resting.add(300)
  busy.add(300)
  resting.write()
  busy.write()
  busy.add(300)

  // Down to seven eighths of the limit.
  assert.deepEqual([resting.droppable, busy.droppable, memory.bytes], [100, 300, 700])
})

test('what is not written is not dropped: its holder is asked to write, once until it has', () => {
  const memory = new LogMemory({ limitBytes: 100 })
  const one = holder(memory)
  const other = holder(memory)
  one.add(150)
  assert.equal(one.asked, 1)
  other.add(10)
  assert.deepEqual([one.asked, other.asked, memory.bytes], [1, 1, 160])

  one.write()
  memory.rejoin(one)
  assert.equal(one.droppable + one.unwrittenBytes + other.unwrittenBytes, memory.bytes)
  assert.ok(memory.bytes <= 100)
})

test('far too much memory in use is told, so that producers can be made to wait', () => {
  const memory = new LogMemory({ limitBytes: 100 })
  const one = holder(memory)
  one.add(200)
  assert.equal(memory.overloaded, false)
  one.add(1)
  assert.equal(memory.overloaded, true)
  memory.leave(one, 201)
  assert.deepEqual([memory.overloaded, memory.bytes], [false, 0])
})

function holder(memory: LogMemory) {
  const state = {
    droppable: 0,
    unwrittenBytes: 0,
    asked: 0,
    drop(bytes: number) {
      const dropped = Math.min(bytes, state.droppable)
      state.droppable -= dropped
      return dropped
    },
    requestWrite() {
      state.asked++
    },
    add(bytes: number) {
      state.unwrittenBytes += bytes
      memory.use(state, bytes)
    },
    write() {
      state.droppable += state.unwrittenBytes
      state.unwrittenBytes = 0
    },
  } satisfies MemoryHolder & Record<string, unknown>
  return state
}
