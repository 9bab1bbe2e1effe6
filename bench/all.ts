/**
 * Every measurement, one after the other: a quiet machine, please.
 */

for (const question of ['start', 'produce', 'fetch', 'latency', 'runtime'])
  await import(`./${question}.ts`)
