/**
 * `demo`, also `npm start`: the whole thing in one process. A throw-away broker, the consumer service of the examples on
 * it, one task to begin with, and the address to send more to.
 */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import type { Broker } from '../../broker/index.ts'
import { messageOf, ShoalError, VERSION } from '../../core/index.ts'
import type { Io } from '../io.ts'
import { wholeNumber } from '../flags.ts'
import { createLogger, runtimeLogger } from '../log.ts'

const TOPIC = 'Scenario-Execute'
const GROUP = 'your-consumer-group'
const PREFERRED_PORT = 9092
const SAMPLE =
  '{"scenario": "run-analysis", "parameters": {"analysisType": "quick", "threshold": 10}, "timestamp": 1673456734}'
/** The example itself in a checkout; in the package what `tsconfig.demo.json` compiles it to. */
const FROM_SOURCE = import.meta.url.endsWith('.ts')
const WORKER = resolve(
  import.meta.dirname,
  FROM_SOURCE ? '../../../examples/seed-004/worker.ts' : '../demo/worker.js',
)
/** `shoal` as it is typed where the demo was started. */
const SHOAL = FROM_SOURCE ? 'npm run -s shoal --' : 'npx shoal'

interface DemoFlags {
  readonly kafkaPort?: string
}

export function addDemo(program: Command, io: Io): void {
  program
    .command('demo')
    .description('a throw-away broker and the example service on it, in one process')
    .option(
      '--kafka-port <port>',
      `port for Kafka clients, 0 takes a free one; default ${PREFERRED_PORT}, or a free one when it is taken`,
    )
    .addHelpText('after', demoHelp)
    .action((flags: DemoFlags) => demo(io, flags))
}

async function demo(io: Io, flags: DemoFlags): Promise<void> {
  const logger = createLogger(io, { format: 'text' })
  const { KafkaProducer } = await import('../../sources/kafka/index.ts')
  const { runService } = await import('../service/run-service.ts')
  const { serviceSchema } = await import('../config/schema.ts')
  const { loadServiceModule } = await import('../../consumer/index.ts')
  const module = await loadServiceModule(pathToFileURL(WORKER), WORKER)
  await using broker = await openBroker(io, flags)
  const brokers = `${broker.kafkaAddress.host}:${broker.kafkaAddress.port}`
  io.err(
    `Broker on ${brokers} (thrown away at the end). Send tasks from another terminal:\n` +
      `  echo '${SAMPLE}' | ${SHOAL} produce ${TOPIC} -b ${brokers}\n` +
      `Ctrl-C finishes the tasks that run, commits them and leaves.\n`,
  )
  await using producer = await KafkaProducer.open({ brokers })
  await producer.send({
    topic: TOPIC,
    partition: null,
    key: null,
    value: new TextEncoder().encode(SAMPLE),
    headers: [],
  })
  const config = serviceSchema.parse({ consumer: { brokers, group: GROUP, topics: [TOPIC] } })
  const running = runService({
    config,
    module,
    cwd: io.cwd,
    version: VERSION,
    clock: io.clock,
    timers: io.timers,
    logger,
    runtimeLogger: runtimeLogger(io, 'text', logger),
    stop: io.stop,
  })
  await Promise.race([running, broker.failed])
}

/** The usual port where it is free, so that every example works as printed; a free one otherwise, said aloud. */
async function openBroker(io: Io, flags: DemoFlags): Promise<Broker> {
  const settings = { 'group.initial.rebalance.delay.ms': '0' }
  const { Broker } = await import('../../broker/index.ts')
  const open = (port: number) =>
    Broker.open({ data: null, kafka: { host: '127.0.0.1', port }, settings })
  if (flags.kafkaPort !== undefined) return open(wholeNumber('--kafka-port', flags.kafkaPort, 0))
  return open(PREFERRED_PORT).catch((error: unknown) => {
    if (!(error instanceof ShoalError) || error.code !== 'SHOAL_ADDRESS_UNUSABLE') throw error
    io.err(`Port ${PREFERRED_PORT} is taken (${messageOf(error)}); taking a free one.\n`)
    return open(0)
  })
}

const demoHelp = `
Its first lines say where to send tasks to. The same in two terminals, with a broker that keeps what it gets:
  shoal serve
  shoal run worker.ts -b localhost:9092 -g billing -t orders

Example:
  shoal demo --kafka-port 0`
