// What a page does: it says where tokens come from, and listens.

// This page's own server knows who is signed in here, and gets a token for them from the backend.
// To try it without one, put a token of `account-credit demo` behind the address: #token=…
async function getToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) return given;
  const answer = await fetch("/token", { method: "POST" });
  if (!answer.ok) throw new Error("There is no token.");
  return answer.text();
}

document.querySelector("account-credit-balance").getToken = getToken;

const told = document.querySelector("#told");

function note(text) {
  const line = document.createElement("li");
  line.textContent = text;
  told.append(line);
}

document.addEventListener("credit-changed", ({ detail: { balance, transaction } }) => {
  const { amount, currency } = balance.available;
  note(`credit-changed: ${amount} ${currency}${transaction ? `, ${transaction.kind}` : ""}`);
});

document.addEventListener("invoice-paid", ({ detail: { invoice } }) => {
  note(`invoice-paid: ${invoice.number}`);
});
