/**
 * What a KiB costs a bare program on Node that does plainly what any durable broker must do with it.
 *
 * `load/bare-writer.ts` reads a socket into one buffer that it uses again, takes a CRC-32C, writes it to one file and
 * syncs that beside the next read; each row has one step more. No protocol, no answers, no validation, one partition.
 * The figure is CPU of that process, user and system, a KiB: what `produce.ts` gives for 1 KiB records is to be held against
 * it. It writes through the page cache; what passes that by, as Shoal's large appends do, can cost less.
 * What it does not show: rates (the sender waits for nothing), small batches.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { contest, cpuSeconds, publish, type Contender, touchMemory } from './contest.ts'

const MEBIBYTES = Number(process.env['SHOAL_BENCH_MEBIBYTES'] ?? 1_000)
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
const WRITER = join(import.meta.dirname, 'load/bare-writer.ts')

const steps = {
  read: 'reads the socket',
  crc: 'and checks a CRC-32C',
  write: 'and writes the file',
  sync: 'and syncs it',
} as const

const figures = await contest(Object.keys(steps).map(contender))
const rows = Object.entries(steps).map(([step, words]) => ({ step: words, ...figures.get(step) }))
await publish('floor', { question: 'a bare Node program: CPU a KiB received', rows })

function contender(step: string): Contender {
  return {
    name: step,
    async turn() {
      await touchMemory()
      const folder = await mkdtemp(join(tmpdir(), 'shoal-floor-'))
      const writer = spawn(process.execPath, [...NODE_FLAGS, WRITER, join(folder, 'file'), step], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        const lines = createInterface(writer.stdout)[Symbol.asyncIterator]()
        const port = Number((await lines.next()).value)
        const pid = writer.pid ?? -1
        const before = await cpuSeconds(pid)
        await send(port)
        const received = Number((await lines.next()).value)
        const after = await cpuSeconds(pid)
        if (received !== MEBIBYTES * 2 ** 20) throw new Error(`${received} bytes were received`)
        return { cpuMicrosPerKiB: ((after - before) / (MEBIBYTES * 1024)) * 1e6 }
      } finally {
        writer.kill()
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

async function send(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const piece = Buffer.alloc(2 ** 20, 'x')
  for (let sent = 0; sent < MEBIBYTES; sent++) if (!socket.write(piece)) await once(socket, 'drain')
  socket.end()
  await once(socket, 'finish')
}
