// A signal ends the program cleanly at any moment. Imported alone, so that this is true while the rest loads, too.
export const stop = new AbortController();
let begun = false;
export const begin = () => { begun = true; };
export const stopped = new Promise((end) => stop.signal.addEventListener("abort", end));
export const end = (why = "") => { console.error(`stopped${why}`); process.exit(0); };
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => begun ? stop.abort() : end());
