<?php

/**
 * Account Credit for WHMCS: a page of the client area with the balance, Add Funds and invoices.
 *
 * It goes into modules/addons/account_credit/, with templates/account_credit.tpl beside it. The API
 * key stays on this server; a browser gets tokens that are its own client's and last five minutes.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

const ACCOUNT_CREDIT_SESSION = <<<'GRAPHQL'
mutation ClientSession($input: CreateClientSessionInput!) {
  createClientSession(input: $input) { url token userErrors { code message field } }
}
GRAPHQL;

function account_credit_config(): array
{
    return [
        'name' => 'Account Credit',
        'description' => 'Prepaid credit that clients watch, add to and pay with.',
        'version' => '1.0',
        'author' => 'Account Credit contributors',
        'fields' => [
            'ApiUrl' => [
                'FriendlyName' => 'Address of the API',
                'Type' => 'text',
                'Description' => 'Such as https://credit.example',
            ],
            'ApiKey' => [
                'FriendlyName' => 'API key',
                'Type' => 'password',
                'Description' => 'Of a partner who may open sessions for clients',
            ],
        ],
    ];
}

/**
 * The page, index.php?m=account_credit; what it gets its tokens from, &action=token; and the way to
 * the whole portal, &action=portal.
 */
function account_credit_clientarea(array $vars): array
{
    $clientId = (int) ($_SESSION['uid'] ?? 0);
    if (($_GET['action'] ?? '') === 'token') {
        account_credit_answer($vars, $clientId);
    }
    if (($_GET['action'] ?? '') === 'portal') {
        account_credit_hand_over($vars, $clientId);
    }
    return [
        'pagetitle' => 'Account Credit',
        'breadcrumb' => ['index.php?m=account_credit' => 'Account Credit'],
        'templatefile' => 'templates/account_credit',
        'requirelogin' => true,
        'vars' => [
            'api' => rtrim($vars['ApiUrl'], '/'),
            'module' => 'modules/addons/account_credit',
        ],
    ];
}

/** Answers a fresh token as text. Only by POST: no link of another site gets one. */
function account_credit_answer(array $vars, int $clientId): never
{
    header('Content-Type: text/plain; charset=utf-8');
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        http_response_code(405);
        exit;
    }
    echo account_credit_signed_in($vars, $clientId)['token'];
    exit;
}

/** Sends the browser to the portal, which it is signed in to on the way: the link works once. */
function account_credit_hand_over(array $vars, int $clientId): never
{
    header('Referrer-Policy: no-referrer');
    header('Location: ' . account_credit_signed_in($vars, $clientId)['url'], true, 303);
    exit;
}

/** What signs the client in who is signed in here; for nobody, and where it fails, it ends here. */
function account_credit_signed_in(array $vars, int $clientId): array
{
    header('Cache-Control: no-store');
    if ($clientId === 0) {
        http_response_code(401);
        exit;
    }
    try {
        return account_credit_session($vars['ApiUrl'], $vars['ApiKey'], (string) $clientId);
    } catch (RuntimeException $problem) {
        // For the log of this server; the page says that it could not be done, and tries again.
        error_log('Account Credit: ' . $problem->getMessage());
        http_response_code(502);
        exit;
    }
}

/**
 * A link and a token for the client whose account has this external ID.
 *
 * @throws RuntimeException if the API cannot be reached, or refuses
 */
function account_credit_session(string $api, string $key, string $externalId): array
{
    $payload = account_credit_ask($api, $key, ACCOUNT_CREDIT_SESSION, [
        'input' => [
            'externalId' => $externalId,
            'expiresInSeconds' => 300,
            'idempotencyKey' => bin2hex(random_bytes(16)),
        ],
    ])['createClientSession'];
    if ($payload['userErrors']) {
        throw new RuntimeException($payload['userErrors'][0]['message']);
    }
    return $payload;
}

/**
 * The data of an operation.
 *
 * @throws RuntimeException as account_credit_session
 */
function account_credit_ask(string $api, string $key, string $query, array $variables): array
{
    $call = curl_init(rtrim($api, '/') . '/graphql');
    curl_setopt_array($call, [
        CURLOPT_POST => true,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 5,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_HTTPHEADER => [
            'Content-Type: application/json',
            'Authorization: Bearer ' . $key,
        ],
        CURLOPT_POSTFIELDS => json_encode(
            ['query' => $query, 'variables' => $variables],
            JSON_THROW_ON_ERROR
        ),
    ]);
    $body = curl_exec($call);
    if ($body === false) {
        throw new RuntimeException(curl_error($call));
    }
    $answer = json_decode($body, true);
    if (isset($answer['errors'])) {
        throw new RuntimeException($answer['errors'][0]['message']);
    }
    if (!isset($answer['data'])) {
        throw new RuntimeException('HTTP ' . curl_getinfo($call, CURLINFO_RESPONSE_CODE));
    }
    return $answer['data'];
}
