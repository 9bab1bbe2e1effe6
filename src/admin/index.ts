export * from './admin-port.ts'
export * from './group-view.ts'
export * from './lag-model.ts'
