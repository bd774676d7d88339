// Solves the puzzle and keeps its proof in a cookie (Altcha protocol, version 1). See the page's `#captcha`.
(() => {
  const box = document.getElementById("captcha");
  if (!box || !window.crypto?.subtle) return;
  const told = document.getElementById("captcha-status");
  const { challenge, verify, done, failed } = box.dataset;
  const encoder = new TextEncoder();
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const digest = async (text) => hex(await crypto.subtle.digest("SHA-256", encoder.encode(text)));

  const find = async ({ salt, challenge: wanted, maxnumber }) => {
    // In parallel, or the waiting for each would take longer than the work.
    for (let from = 0; from <= maxnumber; from += 512) {
      const numbers = Array.from({ length: 512 }, (_, at) => from + at);
      const found = await Promise.all(numbers.map(async (number) => (await digest(salt + number)) === wanted));
      const at = found.indexOf(true);
      if (at >= 0) return from + at;
    }
    throw new Error("unsolvable");
  };

  const run = async () => {
    const begun = performance.now();
    const puzzle = await (await fetch(challenge, { headers: { accept: "application/json" } })).json();
    const number = await find(puzzle);
    const { algorithm, salt, signature } = puzzle;
    const took = Math.round(performance.now() - begun);
    const payload = btoa(JSON.stringify({ algorithm, challenge: puzzle.challenge, number, salt, signature, took }));
    const answer = await fetch(verify, {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json" },
      body: JSON.stringify({ payload }),
    });
    if (!answer.ok) throw new Error("refused");
    box.dataset.state = "done";
    told.textContent = done;
  };
  run().catch(() => {
    told.textContent = failed;
  });
})();
