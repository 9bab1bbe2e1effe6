/**
 * One life of a test broker, from its start to its end or its crash, with everything that dies with it.
 *
 * A crash is what a power loss is: the disk keeps what was synced, timers and connections are gone, nothing is said to
 * anybody, and the broker object of that life is never asked again.
 */

import type { BrokerSettingsInput } from '../../broker/index.ts'
import { Broker } from '../../broker/index.ts'
import type { Address, Clock, Logger, Network, Random, Timers } from '../../core/index.ts'
import type { CrashModel } from '../../log/index.ts'
import { SimDisk } from '../../log/index.ts'
import { GateNetwork } from './gate-network.ts'
import { MortalTimers } from './mortal-timers.ts'

export interface LifeOptions {
  readonly address: Address
  readonly disk: SimDisk
  readonly settings: BrokerSettingsInput
  readonly network: Network
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

export class BrokerLife {
  readonly broker: Broker
  readonly gate: GateNetwork
  readonly #disk: SimDisk
  readonly #timers: MortalTimers
  readonly #closeListener: () => Promise<void>

  private constructor(
    broker: Broker,
    gate: GateNetwork,
    disk: SimDisk,
    timers: MortalTimers,
    closeListener: () => Promise<void>,
  ) {
    this.broker = broker
    this.gate = gate
    this.#disk = disk
    this.#timers = timers
    this.#closeListener = closeListener
  }

  static async begin(options: LifeOptions): Promise<BrokerLife> {
    const { address, disk, settings, network, clock, random, logger } = options
    const timers = new MortalTimers(options.timers)
    const gate = new GateNetwork(network)
    let close = () => Promise.resolve()
    const broker = await Broker.open({
      files: disk,
      kafka: address,
      settings,
      clock,
      timers,
      random,
      logger,
      network: {
        connect: (to) => gate.connect(to),
        listen: async (at, onConnection) => {
          const listener = await gate.listen(at, onConnection)
          close = () => listener.close()
          return listener
        },
      },
    })
    return new BrokerLife(broker, gate, disk, timers, () => close())
  }

  /** Ends it at once; gives the disk that the next life finds. */
  async crash(model: CrashModel, seed: number): Promise<SimDisk> {
    this.#disk.crash()
    this.#timers.die()
    await this.#closeListener()
    this.gate.cut()
    return this.#disk.afterCrash(model, seed)
  }

  /** Ends it in peace; gives the same disk. */
  async close(): Promise<SimDisk> {
    this.gate.resume()
    await this.broker.close()
    return this.#disk
  }
}
