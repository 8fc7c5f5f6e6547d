export { type AppOptions, type AppPorts, contentPath, makeApp } from './http/app.ts'
export { routes } from './routes/table.ts'
