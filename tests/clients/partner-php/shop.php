<?php

/**
 * A small shop whose clients pay with their Account Credit, in plain PHP with cURL, as an add-on for
 * WHMCS would have it: the same as the shop in Python beside it, and nothing to install.
 *
 * What it knows is in one JSON file; an add-on has tables of its own for that.
 */

declare(strict_types=1);

const CURRENCY = 'USD';
/** A delivery whose time differs more from ours, in seconds, was recorded and sent again. */
const TOLERANCE = 300;
const COMMANDS = [
    'open_account', 'policy', 'add_funds', 'bill', 'reserve', 'bill_reserved', 'connect', 'catch_up',
    'heard',
];

/** The API said no: `userErrors`, in a form's terms. */
final class Refused extends RuntimeException
{
}

/** The API has no use for a value: the code BAD_USER_INPUT. */
final class BadValue extends RuntimeException
{
}

/** A delivery that was not signed with the secret of the endpoint. */
final class Forged extends RuntimeException
{
}

/**
 * Every call that makes something has a key made of the shop's own number for it. So whatever
 * happens on the way, the same call can be made again, and it is done once.
 */
final class Shop
{
    public function __construct(
        private readonly string $api,
        private readonly string $key,
        private readonly string $file,
    ) {
    }

    // -- what the shop does

    /** Open an account for a client of the shop, by the shop's own number of the client. */
    public function open_account(string $client, string $name, string $email): string
    {
        $account = $this->done('createAccount', 'CreateAccountInput', 'account { id }', [
            'name' => $name,
            'email' => $email,
            'currency' => CURRENCY,
            'externalId' => $client,
            'idempotencyKey' => "client $client",
        ])['account'];
        $this->put('account', $client, $account['id']);
        return $account['id'];
    }

    /** The version of the credit policy, which the shop shows before it adds funds. */
    public function policy(): string
    {
        return $this->ask('query { creditPolicy { version } }', [])['creditPolicy']['version'];
    }

    /**
     * An invoice for a deposit, and where to send the client's browser to pay it.
     *
     * `$policy` is the version that was shown, and that the client has accepted: where there is a
     * newer one by now, it is refused, and shown first.
     */
    public function add_funds(
        string $client,
        string $amount,
        string $order,
        string $policy,
    ): string {
        $invoice = $this->done('addFunds', 'AddFundsInput', 'invoice { id }', [
            'accountId' => $this->get('account', $client),
            'amount' => ['amount' => $amount, 'currency' => CURRENCY],
            'gateway' => 'sandbox',
            'acceptedPolicyVersion' => $policy,
            'idempotencyKey' => "funds $order",
        ])['invoice'];
        $next = 'payment { nextAction { ... on RedirectAction { url } } }';
        return $this->done('payInvoice', 'PayInvoiceInput', $next, [
            'invoiceId' => $invoice['id'],
            'gateway' => 'sandbox',
            'idempotencyKey' => "pay $order",
        ])['payment']['nextAction']['url'];
    }

    /** Bill an order, and pay it with credit as far as that goes: the status of its invoice. */
    public function bill(string $client, string $amount, string $order): string
    {
        return $this->done('createInvoice', 'CreateInvoiceInput', 'invoice { status }', [
            'accountId' => $this->get('account', $client),
            'currency' => CURRENCY,
            'lines' => [['description' => "Order $order", 'unitPrice' => $amount]],
            'applyCredit' => true,
            'reference' => $order,
            'idempotencyKey' => "order $order",
        ])['invoice']['status'];
    }

    /** Reserve credit for a day, for what is billed once it is used. */
    public function reserve(string $client, string $amount, string $order): string
    {
        $hold = $this->done('reserveCredit', 'ReserveCreditInput', 'hold { id state }', [
            'accountId' => $this->get('account', $client),
            'amount' => ['amount' => $amount, 'currency' => CURRENCY],
            'expiresAt' => gmdate('Y-m-d\TH:i:s\Z', time() + 86400),
            'reference' => $order,
            'description' => "Order $order",
            'idempotencyKey' => "hold $order",
        ])['hold'];
        $this->put('hold', $order, $hold['id']);
        return $hold['state'];
    }

    /** Bill what was used of a reservation; the rest is the client's again. */
    public function bill_reserved(string $order, string $amount): string
    {
        return $this->done('captureHold', 'CaptureHoldInput', 'invoice { status }', [
            'holdId' => $this->get('hold', $order),
            'amount' => $amount,
            'idempotencyKey' => "used $order",
        ])['invoice']['status'];
    }

    // -- what it hears

    /** Have every event sent to `$url`. The secret is shown once: it is kept. */
    public function connect(string $url): void
    {
        $made = $this->done('createWebhookEndpoint', 'CreateWebhookEndpointInput', 'secret', [
            'url' => $url,
            'events' => ['*'],
            'idempotencyKey' => "endpoint $url",
        ]);
        if ($made['secret'] !== null) {
            $this->put('webhook', 'secret', $made['secret']);
        }
    }

    /**
     * Take a delivery: https://www.standardwebhooks.com.
     *
     * @throws Forged for what is not signed with the secret, or was sent before
     */
    public function hear(string $body, string $id, string $timestamp, string $signatures): void
    {
        if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
            throw new Forged('The time of this delivery is not now.');
        }
        $secret = substr((string) $this->get('webhook', 'secret'), strlen('whsec_'));
        $signed = hash_hmac('sha256', "$id.$timestamp.$body", base64_decode($secret), true);
        $expected = 'v1,' . base64_encode($signed);
        foreach (explode(' ', $signatures) as $signature) {
            if (hash_equals($expected, $signature)) {
                $event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
                $this->note($event['id'], [
                    $event['externalId'], $event['sequence'], $event['type'], 'webhook',
                ]);
                return;
            }
        }
        throw new Forged('This delivery is not signed with the secret of the endpoint.');
    }

    /** Read all that has happened since the last time; how many events had not been heard of. */
    public function catch_up(): int
    {
        $query = 'query EventsAfter($cursor: String) { events(first: 100, after: $cursor) {'
            . ' edges { node { id type sequence account { externalId } } }'
            . ' pageInfo { hasNextPage endCursor } } }';
        $new = 0;
        do {
            $cursor = $this->get('feed', 'cursor');
            try {
                $page = $this->ask($query, ['cursor' => $cursor])['events'];
            } catch (BadValue $refused) {
                if ($cursor === null) {
                    throw $refused;
                }
                // It was away for longer than events are kept: it begins with the oldest there is.
                // A real shop reads its clients' balances and invoices anew as well.
                fwrite(STDERR, "Events are missing: {$refused->getMessage()}\n");
                $this->forget('feed', 'cursor');
                continue;
            }
            foreach (array_column($page['edges'], 'node') as $event) {
                $new += (int) $this->note($event['id'], [
                    $event['account']['externalId'], $event['sequence'], $event['type'], 'feed',
                ]);
            }
            if ($page['pageInfo']['endCursor'] !== null) {
                // After the events: whoever is stopped here reads them again, no fewer.
                $this->put('feed', 'cursor', $page['pageInfo']['endCursor']);
            }
        } while (!isset($page) || $page['pageInfo']['hasNextPage']);
        return $new;
    }

    /** Whose, number, type and how, of all events. */
    public function heard(): array
    {
        $events = array_values($this->known(fn (array $known): array => $known)['event'] ?? []);
        sort($events);
        return $events;
    }

    /** Once an event, however often it comes: here a real shop does what the event is for. */
    private function note(string $id, array $event): bool
    {
        $new = false;
        $this->known(function (array $known) use ($id, $event, &$new): array {
            $new = !isset($known['event'][$id]);
            $known['event'][$id] ??= $event;
            return $known;
        });
        return $new;
    }

    // -- what it asks

    /**
     * What a mutation answers.
     *
     * @throws Refused
     */
    private function done(string $mutation, string $type, string $fields, array $input): array
    {
        $document = "mutation Shop(\$input: $type!) {"
            . " $mutation(input: \$input) { $fields userErrors { message } } }";
        $payload = $this->ask($document, ['input' => $input])[$mutation];
        if ($payload['userErrors']) {
            throw new Refused(implode('; ', array_column($payload['userErrors'], 'message')));
        }
        return $payload;
    }

    /**
     * The data of an operation.
     *
     * @throws RuntimeException if the API cannot be reached, or cannot answer
     */
    private function ask(string $document, array $variables): array
    {
        $call = curl_init("$this->api/graphql");
        curl_setopt_array($call, [
            CURLOPT_POST => true,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 5,
            CURLOPT_TIMEOUT => 20,
            CURLOPT_HTTPHEADER => [
                'Content-Type: application/json',
                "Authorization: Bearer $this->key",
            ],
            CURLOPT_POSTFIELDS => json_encode(
                ['query' => $document, 'variables' => (object) $variables],
                JSON_THROW_ON_ERROR,
            ),
        ]);
        $body = curl_exec($call);
        if (!is_string($body)) {
            throw new RuntimeException(curl_error($call));
        }
        $answer = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        if (!isset($answer['data']) || isset($answer['errors'])) {
            $error = $answer['errors'][0] ?? ['message' => 'There was no answer.'];
            $is_bad = ($error['extensions']['code'] ?? '') === 'BAD_USER_INPUT';
            throw $is_bad ? new BadValue($error['message']) : new RuntimeException($error['message']);
        }
        return $answer['data'];
    }

    // -- what it knows

    private function put(string $kind, string $name, string $value): void
    {
        $this->known(function (array $known) use ($kind, $name, $value): array {
            $known[$kind][$name] = $value;
            return $known;
        });
    }

    private function forget(string $kind, string $name): void
    {
        $this->known(function (array $known) use ($kind, $name): array {
            unset($known[$kind][$name]);
            return $known;
        });
    }

    private function get(string $kind, string $name): ?string
    {
        return $this->known(fn (array $known): array => $known)[$kind][$name] ?? null;
    }

    /** What `$change` makes of all that is known, by one at a time. */
    private function known(callable $change): array
    {
        $file = fopen($this->file, 'c+');
        flock($file, LOCK_EX);
        try {
            $before = json_decode(stream_get_contents($file) ?: '[]', true);
            $after = $change($before);
            if ($after !== $before) {
                rewind($file);
                fwrite($file, json_encode($after, JSON_THROW_ON_ERROR));
                ftruncate($file, ftell($file));
            }
            return $after;
        } finally {
            fclose($file);
        }
    }
}

/** The shop that API, API_KEY and SHOP (its file) name. */
function shop(): Shop
{
    return new Shop(getenv('API'), getenv('API_KEY'), getenv('SHOP'));
}

// `php shop.php bill 4711 5.00 A-1` does one thing, and prints what came of it as JSON.
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    $command = $argv[1] ?? '';
    if (!in_array($command, COMMANDS, true)) {
        fwrite(STDERR, 'One of ' . implode(', ', COMMANDS) . "\n");
        exit(2);
    }
    try {
        echo json_encode(shop()->$command(...array_slice($argv, 2))), "\n";
    } catch (Refused $refusal) {
        fwrite(STDERR, $refusal->getMessage() . "\n");
        exit(1);
    }
}
